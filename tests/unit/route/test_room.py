"""Whether dead letters find room."""

from collections.abc import Mapping

import pytest

from bus.errors import TopicTooNarrow
from bus.route.room import check_limits


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({"deadletters": 200, "changes.a": 100, "changes.b": 50}, None),
        ({"deadletters": 200}, None),
        ({"changes.a": 100}, None),
        ({"deadletters": 199, "changes.a": 100, "changes.b": 50}, "changes.a"),
        ({"deadletters": 200, "changes.a": 100, "changes.b": 101}, "changes.b"),
    ],
)
def test_a_dead_letter_finds_room(limits: Mapping[str, int], found: str | None) -> None:
    """The topic of dead letters takes twice what the widest source takes, or the router names that source."""
    if found is None:
        check_limits(limits, "deadletters")
        return
    with pytest.raises(TopicTooNarrow, match=found):
        check_limits(limits, "deadletters")
