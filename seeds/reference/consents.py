"""Who consents to what: the events of `consents`, folded in a few lines of the checker's own."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from seeds.reference.readings import ConsentEvent


class Consents:
    """The last word of each person on each agreement, as of any offset."""

    def __init__(self, events: Iterable[ConsentEvent]) -> None:
        self._events: dict[tuple[str, str], list[ConsentEvent]] = defaultdict(list)
        for event in events:
            self._events[event.subject, event.agreement].append(event)

    @property
    def subjects(self) -> set[str]:
        """Everybody who ever said something."""
        return {subject for subject, _ in self._events}

    def given(self, subject: str, agreement: str) -> ConsentEvent | None:
        """The consent that stands at the end, None when none does."""
        return _last_word(self._events.get((subject, agreement), ()))

    def given_as_of(self, subject: str, agreement: str, lane: int, below: int) -> ConsentEvent | None:
        """The consent that stood for who knows this lane's events below an offset, and no others."""
        known = (event for event in self._events.get((subject, agreement), ()) if event.lane == lane)
        return _last_word(event for event in known if event.offset < below)


def holds(event: ConsentEvent, revisions: frozenset[str], now: datetime) -> bool:
    """Whether a standing consent covers a release: given to what is agreed now, begun, and not over."""
    begun = event.valid_from is None or event.valid_from <= now
    over = event.valid_until is not None and event.valid_until <= now
    return event.revision in revisions and begun and not over


def _last_word(events: Iterable[ConsentEvent]) -> ConsentEvent | None:
    """A withdrawal always counts; a giving counts unless it was said before the newest withdrawal."""
    given: ConsentEvent | None = None
    withdrawn_at: datetime | None = None
    seen: set[str] = set()
    for event in events:
        if event.event_id and event.event_id in seen:
            continue
        if not event.give:
            given = None
            if event.at is not None and (withdrawn_at is None or event.at > withdrawn_at):
                withdrawn_at = event.at
        elif withdrawn_at is not None and event.at is not None and event.at <= withdrawn_at:
            continue
        else:
            given = event
        seen.add(event.event_id)
    return given
