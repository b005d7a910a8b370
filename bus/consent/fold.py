"""The fold of consent events: how a person stands to an agreement after each event. Pure.

What counts, with the reason:
- an event seen before changes nothing: networks and counters repeat themselves;
- a withdrawal always counts, whatever time it carries: clocks err, and stopping is never wrong. It counts even under
  the id of the giving that stands: it is no repetition of that;
- a giving that is older than the newest withdrawal changes nothing: the person's last word stands;
- of two givings the later one in the log stands: it may name another revision or another end;
- of very many events about one pair the older ones are forgotten: a standing must find room in a record, or nobody's
  consents could be folded any more in its lane. An old giving is then still older than the withdrawal after it.
"""

from dataclasses import replace

from bus.model.consent import Consent, ConsentAction, ConsentEvent

MOST_SEEN = 1000
"""Events of one person and agreement that are remembered, so that they change nothing when they are seen again."""

NEVER = Consent()
"""How everybody stands to every agreement before the first event."""


def fold(before: Consent, event: ConsentEvent) -> Consent:
    """The standing after one more event; the same object when the event changes nothing."""
    if event.event_id in before.seen and not _takes_back(event, before):
        return before
    forgets = len(before.seen) >= MOST_SEEN
    seen = frozenset({event.event_id}) if forgets else before.seen | {event.event_id}
    if event.action is ConsentAction.WITHDRAW:
        withdrawn_at = max(event.at_ms, before.withdrawn_at_ms or event.at_ms)
        if forgets and before.given is not None:
            withdrawn_at = max(withdrawn_at, before.given.at_ms)
        return Consent(given=None, withdrawn_at_ms=withdrawn_at, seen=seen)
    if before.withdrawn_at_ms is not None and event.at_ms <= before.withdrawn_at_ms:
        return before
    return Consent(given=event, withdrawn_at_ms=before.withdrawn_at_ms, seen=seen)


def _takes_back(event: ConsentEvent, before: Consent) -> bool:
    given = before.given
    return event.action is ConsentAction.WITHDRAW and given is not None and given.event_id == event.event_id


def fold_unreadable(before: Consent, at_ms: int) -> Consent:
    """The standing after an event that cannot be read: as after a withdrawal at `at_ms`, Kafka's time of the record."""
    withdrawn_at = max(at_ms, before.withdrawn_at_ms or at_ms)
    return replace(before, given=None, withdrawn_at_ms=withdrawn_at, unreadable=True)
