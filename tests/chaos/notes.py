"""A few bytes that a router under test and its test share: they outlive any kill.

The router notes the phase of each lane's transaction; the test sets a trap (a signal for a phase), a fault of commits,
and the error of the router's clock.
"""

import mmap
import struct
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

LANES = 32
SIZE = 128
TRAP, SPRUNG, FAULT, CLOCK, LONGEST, FIRST_LANE = 0, 4, 8, 16, 24, 64
"""Offsets: signal and phase of the trap; phase and lane that it caught; fault and how often; the clock's error; the
longest step."""


class Phase(IntEnum):
    """Where in its transaction a lane is."""

    ABSENT = 0
    START = 1
    """Fencing and reading back."""
    REST = 2
    """Between transactions: reading, deciding, waiting."""
    BEGIN = 3
    SEND = 4
    COMMIT = 5
    MIDWAY = 6
    """Between the two halves of what should be one transaction: only a router broken on purpose is ever there."""


SERVING = (Phase.REST, Phase.BEGIN, Phase.SEND, Phase.COMMIT)


class CommitFault(IntEnum):
    """What the next commits do."""

    NONE = 0
    ANSWER_LOST = 1
    """It takes effect, and the answer never comes."""
    NEVER_SENT = 2
    """It times out and has not taken effect."""


@dataclass(frozen=True, slots=True)
class Caught:
    """A trap that was sprung: where it caught the router."""

    phase: Phase
    lane: int


class Notes:
    """The shared bytes; the file is made when it is not there."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(SIZE))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), SIZE)
        self.path = path

    def enter(self, lane: int, phase: Phase) -> None:
        """Note where a lane is."""
        self._bytes[FIRST_LANE + lane % LANES] = phase

    def phase(self, lane: int) -> Phase:
        """Where a lane is, or was when its process ended."""
        return Phase(self._bytes[FIRST_LANE + lane % LANES])

    def phases(self) -> list[Phase]:
        """Where the lanes of the process are."""
        return [Phase(one) for one in self._bytes[FIRST_LANE : FIRST_LANE + LANES] if one]

    def forget(self) -> None:
        """No lane is anywhere: before a process starts."""
        self._bytes[FIRST_LANE : FIRST_LANE + LANES] = bytes(LANES)

    def set_trap(self, number: int, phase: Phase) -> None:
        """The next lane that comes into this phase gets its process this signal."""
        self._bytes[SPRUNG : SPRUNG + 2] = bytes(2)
        self._bytes[TRAP + 1] = phase
        self._bytes[TRAP] = number

    def trap(self) -> tuple[int, Phase]:
        """The signal and the phase of the trap; signal 0 when none is set."""
        return self._bytes[TRAP], Phase(self._bytes[TRAP + 1])

    def spring(self, phase: Phase, lane: int) -> None:
        """Note that the trap has caught somebody; it is set no more."""
        self._bytes[TRAP] = 0
        self._bytes[SPRUNG + 1] = lane
        self._bytes[SPRUNG] = phase

    @property
    def caught(self) -> Caught | None:
        """What the trap caught; None while it waits."""
        phase = self._bytes[SPRUNG]
        return Caught(Phase(phase), self._bytes[SPRUNG + 1]) if phase else None

    def spoil_commits(self, fault: CommitFault, times: int) -> None:
        """Let the next commits fail so."""
        self._bytes[FAULT + 1] = times
        self._bytes[FAULT] = fault

    def take_commit_fault(self) -> CommitFault:
        """The fault of this commit; counts down."""
        left = self._bytes[FAULT + 1]
        if not left:
            return CommitFault.NONE
        self._bytes[FAULT + 1] = left - 1
        return CommitFault(self._bytes[FAULT])

    @property
    def commit_faults_left(self) -> int:
        """How many commits are still to be spoilt."""
        return self._bytes[FAULT + 1]

    @property
    def clock_error_ms(self) -> int:
        """By how much the router's clock is wrong."""
        (error,) = struct.unpack_from(">q", self._bytes, CLOCK)
        return int(error)

    @clock_error_ms.setter
    def clock_error_ms(self, error: int) -> None:
        struct.pack_into(">q", self._bytes, CLOCK, error)

    @property
    def longest_step_ms(self) -> float:
        """The processor time of the longest step of the router's event loop; setting it to 0 begins anew."""
        (longest,) = struct.unpack_from(">d", self._bytes, LONGEST)
        return float(longest)

    @longest_step_ms.setter
    def longest_step_ms(self, longest: float) -> None:
        struct.pack_into(">d", self._bytes, LONGEST, longest)
