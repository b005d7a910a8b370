"""Which records a lane takes up again when it reads its topics back."""

import pytest

from bus.route.load import _was_taken
from bus.route.state import DeadVersion
from bus.route.store.memory import MemoryState
from tests.unit.route.lanes import PERSON, Nutshell, value, values

POISON = b"\0\0\0\0\x09x"


class Decoder:
    """Knows every schema that can be known."""

    async def know(self, _: bytes) -> None:
        """Nothing to fetch."""

    decode = staticmethod(values)


@pytest.mark.parametrize("discarded", [False, True])
async def test_a_dead_letter_stays_out(*, discarded: bool) -> None:
    """A dead letter that can be read by now, and that nobody released, stays out; the version before it is taken."""
    lane, state = Nutshell(), MemoryState()
    before, older_letter, letter = (lane.change("p1", one) for one in (value("An"), POISON, value("Bình")))
    other = lane.change("p2", value("Chi"))
    state.put_dead(PERSON, letter.key, DeadVersion(letter.origin.offset, discarded=discarded))
    taken = [await _was_taken(one, state, Decoder()) for one in (before, older_letter, letter, other)]
    assert taken == [True, False, False, True]
