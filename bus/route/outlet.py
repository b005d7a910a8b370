"""Where the views of one agreement go out in one transaction: what the recipient has, and what it has then. Pure."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

from bus.model.key import lane_of
from bus.model.reasons import Reason
from bus.model.varint import varint
from bus.route.decide import due_under, too_soon
from bus.route.held import HASH_LENGTH, Copy, Holding, Where, begin_of, copy_of, end_of, holding_of, new_copy
from bus.route.rules import Rule


class Delivery(NamedTuple):
    """One record for one recipient: a view, or, with `value` None, an erasure for a reason."""

    rule: Rule
    where: Where
    key: bytes
    """As the recipient sees it."""

    consent: bytes | None
    """The id of the consent event that allowed the release, in UTF-8; None where an article of law did."""

    value: bytes | None
    subject: str | None
    reason: Reason | None


new_delivery: Callable[[tuple[Rule, Where, bytes, bytes | None, bytes | None, str | None, Reason | None]], Delivery]
new_delivery = partial(tuple.__new__, Delivery)  # as `new_copy`


class Outlet:
    """Hands out the views of a rule, one record after the other; what goes out is added to `deliveries`."""

    def __init__(
        self, rule: Rule, lane: int, now_ms: int, view_hash: Callable[[bytes], bytes], deliveries: list[Delivery]
    ) -> None:
        route = rule.route
        self._rule = rule
        self._lane = lane
        self._now_ms = now_ms
        self._hash = view_hash
        self._deliver = deliveries.append
        self._agreement = route.agreement
        self._shown = route.record_id_shown and route.subject_shown
        self._where, self._begin, self._by_consent = _begins(rule, lane)
        self._due_ms = None if route.retention_ms is None else now_ms + route.retention_ms
        self._end = end_of(now_ms, self._due_ms, rule.epoch)
        self._plain = not rule.epoch and route.frequency is None
        """Whether a copy that begins like the new one can differ from it in nothing but the view that matters."""

    def release(
        self, key: bytes, subject: str | None, view: bytes, consent: str | None, held: dict[str, Copy]
    ) -> Reason | None:
        """A view that the recipient may have. Why it does not go out now after all, or None.

        `consent` is the event that allows it, None where an article of law does; `held` what recipients hold of the
        record with that key, which is brought up to date.
        """
        where, shown, begin = self._where, key, self._begin
        by = None if consent is None else consent.encode()
        if not self._shown:
            shown, partition = agency_key(self._rule, key, subject, self._lane)
            where = where if partition == self._lane else where._replace(partition=partition)
            begin = begin_of(where, shown, key, by)
        elif by is not None:
            begin = self._by_consent + varint(len(by)) + by
        hashed, due_ms, end = self._hash(view), self._due_ms, self._end
        copy = held.get(self._agreement)
        if copy is None:
            pass
        elif self._plain and copy.body.startswith(begin):
            if copy.body.startswith(hashed, len(begin) + 1):
                return None  # the recipient has these very bytes already
        else:
            before = holding_of(copy, key)
            renewed = before.epoch != self._rule.epoch
            if before.key != shown or before.topic != where.topic:
                reason = Reason.PSEUDONYMS_RENEWED if renewed else Reason.RECORD_MOVED
                self._deliver(erasure(self._rule, subject, before, reason))
            elif before.view_hash == hashed:
                due_ms = due_under(before, self._rule.route)
                same = before._replace(revision=where.revision, consent=consent, due_ms=due_ms, epoch=self._rule.epoch)
                held[self._agreement] = copy_of(self._agreement, same, key)
                return None
            elif too_soon(before, self._rule, self._now_ms):
                return Reason.TOO_SOON
            if renewed and before.revision == where.revision:  # another name for what is kept, not another copy
                due_ms = before.due_ms
                end = end_of(self._now_ms, due_ms, self._rule.epoch)
        held[self._agreement] = new_copy((b"".join((begin, HASH_LENGTH, hashed, end)), due_ms))
        self._deliver(new_delivery((self._rule, where, shown, by, view, subject, None)))
        return None


@lru_cache(maxsize=4096)
def _begins(rule: Rule, lane: int) -> tuple[Where, bytes, bytes]:
    """Where a lane releases a rule's views, and how copies begin there by law, and by consent before its length."""
    where = Where(rule.route.agreement, rule.route.revision, rule.route.topic, lane)
    begin = begin_of(where, b"", b"", None)
    return where, begin, begin[:-1] + b"\2"


def erasure(rule: Rule, subject: str | None, held: Holding, reason: Reason) -> Delivery:
    """A copy is erased where it lies, under the text that it was released by."""
    where = Where(rule.route.agreement, held.revision, held.topic, held.partition)
    by = None if held.consent is None else held.consent.encode()
    return Delivery(rule, where, held.key, by, None, subject, reason)


def agency_key(rule: Rule, key: bytes, subject: str | None, lane: int) -> tuple[bytes, int]:
    """A record's key as the view may show it, and its partition in the agency's topic.

    What the view does not release stands in the key as a pseudonym.
    """
    route = rule.route
    if route.record_id_shown and (subject is None or route.subject_shown):
        return key, lane
    record_id = key.decode() if subject is None else key.decode().partition("/")[2]
    if not route.record_id_shown:
        record_id = rule.pseudonym(record_id)
    if subject is None:
        shown, text = route.record_id_shown, record_id
    else:
        shown = route.subject_shown
        text = f"{subject if shown else rule.pseudonym(subject)}/{record_id}"
    return text.encode(), lane if shown else lane_of(text, rule.partitions)
