"""Which transactions a PostgreSQL snapshot sees, also where 32-bit numbers wrap around."""

import pytest

from bus.connect.postgres.visibility import Snapshot

CASES = [
    ("below the oldest running one", "100:110:105", 99, True),
    ("over, between the bounds", "100:110:105", 104, True),
    ("still running", "100:110:105", 105, False),
    ("not begun when the snapshot was taken", "100:110:105", 110, False),
    ("nothing runs", "100:100:", 99, True),
    ("before the wrap, seen from after it", f"{2**32 + 5}:{2**32 + 5}:", 2**32 - 1, True),
    ("after the wrap, seen from before it", f"{2**32 - 5}:{2**32 - 5}:", 3, False),
    ("in the second epoch", f"{2**32 + 50}:{2**32 + 60}:{2**32 + 55}", 55, False),
]


@pytest.mark.parametrize(("case", "snapshot", "xid", "seen"), CASES, ids=[case[0] for case in CASES])
def test_a_snapshot_sees(case: str, snapshot: str, xid: int, *, seen: bool) -> None:
    """A committed transaction is seen if it was over when the snapshot was taken."""
    assert Snapshot.parse(snapshot).sees(xid) is seen
