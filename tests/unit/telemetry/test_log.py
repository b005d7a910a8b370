"""Where events are written."""

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
