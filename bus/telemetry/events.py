"""Every log event, once: its name, its level and what it tells an operator. No event carries a personal value."""

from enum import StrEnum
from typing import Self


class Event(StrEnum):
    """A log event. Fields are given where it is emitted; ids of persons only as keyed hashes."""

    level: str
    meaning: str

    def __new__(cls, name: str, level: str, meaning: str) -> Self:
        """A StrEnum member that carries its level and meaning."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.level = level
        member.meaning = meaning
        return member

    # --- processes ---
    PROCESS_STARTED = "process-started", "info", "A process serves; with its port where it has one."
    PROCESS_STOPPING = "process-stopping", "info", "A process was asked to end and finishes its work."
    PROCESS_FAILED = "process-failed", "error", "A process ends because of an error; the remedy is beside it."

    # --- router ---
    LANE_STARTED = "lane-started", "info", "This process owns a lane: fenced, state read, serving."
    LANE_STOPPED = "lane-stopped", "info", "A lane was given up in order."
    LANE_FAILED = "lane-failed", "warning", "A lane met an error and starts anew after a pause."
    FACT_IGNORED = "fact-ignored", "warning", "A fact could not be read; what it names is suspended."
    CONSENT_UNREADABLE = "consent-unreadable", "warning", "A consent event could not be read; it counts as withdrawal."
    RECORD_DEAD = "record-dead", "warning", "A record could not be read; it lies in deadletters, untouched."

    # --- connectors ---

    # --- schema registry and consent API ---

    # --- local platform ---
