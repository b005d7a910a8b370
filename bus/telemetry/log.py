"""Log lines: JSON on a file, readable on a terminal; always to stderr, for stdout belongs to results."""

import contextlib
import logging
import sys
import traceback
from pathlib import PurePath
from typing import Any

import structlog

from bus import clock
from bus.errors import BusError
from bus.telemetry.events import Event

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

SELDOM_SECONDS = 60.0
"""A line of a library is written once in so long, however often it comes."""

_MOST_LINES = 1000


class Seldom(logging.Filter):
    """Leaves out a line that was written just now: that a broker is gone a client tells hundreds of times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is to be written."""
        line, now = (record.name, record.getMessage()), clock.monotonic()
        if now - self._written.get(line, -SELDOM_SECONDS) < SELDOM_SECONDS:
            return False
        if len(self._written) >= _MOST_LINES:
            self._written.clear()
        self._written[line] = now
        return True


def configure(process: str, *, level: str = "info") -> None:
    """Set up logging for a process; call once, at its start."""
    readable = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    of_libraries = logging.StreamHandler(sys.stderr)
    of_libraries.addFilter(Seldom())
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", handlers=[of_libraries])


def emit(event: Event, **fields: Any) -> None:
    """Write one event at its own level; to stderr also in a command or a recipient's program, which sets nothing up.

    Where nothing can be written, on a full disk or a terminal that is gone, who tells goes on all the same.
    """
    logger = (
        structlog.get_logger()
        if structlog.is_configured()
        else structlog.wrap_logger(structlog.PrintLogger(sys.stderr))
    )
    with contextlib.suppress(OSError):
        logger.log(_LEVELS[event.level], event.value, **fields)


def told_of(error: BaseException) -> str:
    """What may stand in a log of an error: one of the bus as it is, of any other its class, for its text may quote."""
    return str(error) if isinstance(error, BusError) else type(error).__name__


def place_of(error: BaseException) -> str:
    """Where an error came from, the last of its calls first: files and lines, and nothing of what they dealt with."""
    calls = reversed(traceback.extract_tb(error.__traceback__)[-5:])
    return " < ".join(f"{PurePath(one.filename).name}:{one.lineno}" for one in calls)
