"""Where events are written."""

import errno
import io
import logging
import sys

import pytest
import structlog

from bus import clock
from bus.telemetry import Event, configure, emit


def test_where_nothing_is_set_up_stdout_stays_clean(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command may print JSON alone there, and a recipient's program what it likes."""
    monkeypatch.setattr(structlog, "is_configured", lambda: False)
    emit(Event.FACT_IGNORED, offset=7)
    written = capsys.readouterr()
    assert written.out == ""
    assert "fact-ignored" in written.err
    assert "offset" in written.err


class Full(io.StringIO):
    """A file on a disk without room."""

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_ends_nobody_who_tells_of_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that takes no line must not end the lane, or the parent, that wrote it."""
    full = Full()
    monkeypatch.setattr(structlog, "is_configured", lambda: False)
    monkeypatch.setattr(sys, "stderr", full)
    emit(Event.FACT_IGNORED, offset=7)
    assert full.getvalue() == ""


def test_what_a_library_repeats_does_not_fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """While no broker answers, a line must come once a minute, not hundreds of times a second; others are written."""
    root, written, moments = logging.Logger("root"), io.StringIO(), [0.0, 0.1, 59.0, 60.0, 60.0]  # noqa: LOG001 - Python's own stays as it is
    monkeypatch.setattr(logging, "root", root)
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(clock, "monotonic", lambda: moments.pop(0))
    configure("route")
    for node in (1, 1, 1, 1, 2):
        root.warning("Unable connect to node with id %s", node)
    assert [line[-2:] for line in written.getvalue().splitlines()] == [" 1", " 1", " 2"]
