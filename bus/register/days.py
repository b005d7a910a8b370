"""The days on which scheduled texts take effect, and the facts that say that they have come. Pure.

Such a fact needs no key: everybody's fold checks the day against the broker's clock. So any process may tell it, any
number of them, and the first one counts, at one offset for every lane.
"""

from collections.abc import Mapping

from bus.model.fact import Fact, FactKind
from bus.register.counted import DAY_HAS_COME
from bus.register.life import Action
from bus.register.state import RegisterState, first_day_ms


def scheduled(state: RegisterState) -> Mapping[str, int]:
    """When the scheduled text of each agreement takes effect, by the agreement's name."""
    return {name: first_day_ms(entry.document) for name, entry in state.coming.items()}


def facts_of_the_day(state: RegisterState, now_ms: int, by: str) -> list[Fact]:
    """That the first day of a scheduled text has come, for each of which that is so."""
    return [
        Fact(
            FactKind.AGREEMENT,
            name,
            Action.TOOK_EFFECT,
            {"revision": state.coming[name].revision},
            by,
            DAY_HAS_COME,
            now_ms,
        )
        for name, moment in scheduled(state).items()
        if moment <= now_ms
    ]
