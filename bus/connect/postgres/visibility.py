"""Which transactions a snapshot of PostgreSQL sees: by number, not by place in the log.

A commit lies in the log before it becomes visible (with synchronous replicas, long before). So a chunk cannot be placed
in the stream by log positions alone: its own `pg_current_snapshot()` says for each transaction whether it is in it.
"""

from dataclasses import dataclass

_WRAP = 1 << 32


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The value of pg_current_snapshot(): below `xmin` all is over, from `xmax` on nothing; `running` lies between."""

    xmin: int
    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """From `xmin:xmax:xip,xip`."""
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(int(xid) for xid in running.split(",") if xid))

    def sees(self, xid: int) -> bool:
        """Whether a committed transaction is visible; `xid` are the 32 bits that the stream carries."""
        full = self._full(xid)
        return full < self.xmin or (full < self.xmax and full not in self.running)

    def _full(self, xid: int) -> int:
        """The 64-bit number nearest to this snapshot: a stream is never two thousand million transactions away."""
        full = (self.xmax & ~(_WRAP - 1)) | xid
        if full > self.xmax + _WRAP // 2:
            return full - _WRAP
        if full < self.xmax - _WRAP // 2:
            return full + _WRAP
        return full
