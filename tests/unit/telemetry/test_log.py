"""Where events are written."""

import errno
import io
import sys

import pytest
import structlog

from bus.telemetry import Event, emit


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
