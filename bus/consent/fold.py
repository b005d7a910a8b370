"""The fold of consent events: how a person stands to an agreement after each event. Pure.

What counts, with the reason:
- an event seen before changes nothing: networks and counters repeat themselves;
- a withdrawal always counts, whatever time it carries: clocks err, and stopping is never wrong. It counts even under
  the id of the giving that stands: it is no repetition of that;
- a giving that is older than the newest withdrawal, or than a giving that was withdrawn, changes nothing: the person's
  last word stands, and what they took back does not come again under another id;
- of two givings the later one in the log stands: it may name another revision or another end;
- a giving after so many events that no more ids can be remembered changes nothing: a withdrawal still counts.
"""

from dataclasses import replace

from bus.model.consent import Consent, ConsentAction, ConsentEvent

NEVER = Consent()
"""How everybody stands to every agreement before the first event."""

MOST_SEEN = 4000
"""Ids that are remembered of a person and an agreement. They stand in one record of `lane-state`, which the broker must
take: one that grew on would stop its lane, and everybody in it, for good."""


def fold(before: Consent, event: ConsentEvent) -> Consent:
    """The standing after one more event; the same object when the event changes nothing."""
    if event.event_id in before.seen and not _takes_back(event, before):
        return before
    full = len(before.seen) >= MOST_SEEN
    seen = before.seen if full else before.seen | {event.event_id}
    if event.action is ConsentAction.WITHDRAW:
        return Consent(given=None, withdrawn_at_ms=_withdrawn_at(before, event.at_ms), seen=seen)
    if full or (before.withdrawn_at_ms is not None and event.at_ms <= before.withdrawn_at_ms):
        return before
    return Consent(given=event, withdrawn_at_ms=before.withdrawn_at_ms, seen=seen)


def _takes_back(event: ConsentEvent, before: Consent) -> bool:
    given = before.given
    return event.action is ConsentAction.WITHDRAW and given is not None and given.event_id == event.event_id


def fold_unreadable(before: Consent, at_ms: int) -> Consent:
    """The standing after an event that cannot be read: as after a withdrawal at `at_ms`, Kafka's time of the record."""
    return replace(before, given=None, withdrawn_at_ms=_withdrawn_at(before, at_ms), unreadable=True)


def _withdrawn_at(before: Consent, at_ms: int) -> int:
    """Until when what is given counts no more: what stood until now is among it, whatever the clocks said."""
    taken_back = at_ms if before.given is None else before.given.at_ms
    return max(at_ms, taken_back, at_ms if before.withdrawn_at_ms is None else before.withdrawn_at_ms)
