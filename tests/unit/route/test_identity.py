"""Whether topics are those that were read, told by the ids that a broker gives them."""

from typing import Any

import pytest

from bus.errors import KafkaUnreachable, TopicReplaced
from bus.route.identity import Identities


class Told:
    """An administrator whose broker tells these ids, or does not answer."""

    def __init__(self, ids: dict[str, str] | None) -> None:
        self._ids = ids

    async def topic_ids(self, names: Any) -> dict[str, str]:
        if self._ids is None:
            raise KafkaUnreachable(bootstrap="b:1", reason="gone")
        return {name: self._ids[name] for name in names if name in self._ids}


def identities(ids: dict[str, str] | None) -> Identities:
    admin: Any = Told(ids)
    return Identities(admin)


async def test_another_topic_of_the_name_is_refused() -> None:
    """A topic with another id than the one that was read ends the router, with the name of the topic."""
    with pytest.raises(TopicReplaced, match="topic b "):
        await identities({"a": "1", "b": "3"}).require({"a": "1", "b": "2"})


@pytest.mark.parametrize("ids", [{"a": "1"}, {}, None])
async def test_a_broker_that_does_not_know_is_no_proof(ids: dict[str, str] | None) -> None:
    """A topic that a broker, perhaps just started, does not tell of is not taken for another one."""
    await identities(ids).look({"a": "1", "b": "2"})
