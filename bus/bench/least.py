"""What a delivery costs in Python at the least: a loop made for the workload alone, beside which a lane is measured.

It finds the fields, asks the filter, looks a consent up, cuts the view, makes its keyed hash, and joins the bytes that
a delivery leaves: a record with as many bytes of headers, its entry for the log, what is held. Nothing else: it keeps
no rules, times, revisions, refusals, erasures or errors, has its state in dictionaries that hold no more than it
compares, and writes from constants all that differs from record to record in no more than a number. So nothing that
does all of it costs less, however it is put together.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from bus import clock
from bus.avro.frame import BODY_START
from bus.kafka.batch import Batch
from bus.model.keyring import KeyRing
from bus.model.record import Incoming
from bus.route.rules import Rule
from bus.route.seen import Seen, Sight

PLACE, HEADERS, EVENT_ID = b"p" * 60, b"h" * 190, b"e" * 22
"""As long as what a lane writes in their place."""


class Least:
    """The loop. `delivered` counts by agreement, `spent` is processor time in seconds."""

    def __init__(
        self, rules: Sequence[Rule], sight: Sight, keyring: KeyRing, consents: Mapping[bytes, Iterable[str]]
    ) -> None:
        self._flows = [(rule, rule.route.agreement, rule.route.needs_consent) for rule in rules]
        self._sight = sight
        self._hash, self._mark = keyring.view_hash, keyring.subject_mark
        self._consents = {key: frozenset(listed) for key, listed in consents.items()}
        self._held: dict[bytes, bytes] = {}
        self._records: dict[bytes, bytes | None] = {}
        self.delivered: Counter[str] = Counter()
        self.spent = 0.0

    def transaction(self, incoming: Sequence[Incoming]) -> None:
        """Do what is left of one."""
        began = clock.worked()
        numbers, bounds, hashed, sight = count(), self._sight.bounds, self._hash, self._sight
        sent: list[list[bytes]] = [[] for _ in self._flows]
        entries: list[bytes] = []
        states: list[bytes] = []
        for record in incoming:
            key, value = record.key or b"", record.value or b""
            seen = Seen(value, None, bounds(value, BODY_START), sight)
            consented, mark, now = self._consents[key], self._mark(key), list[bytes]()
            for (rule, agreement, by_consent), listed in zip(self._flows, sent, strict=False):
                if (by_consent and agreement not in consented) or not rule.admits(seen):
                    continue
                view = rule.cut(seen)
                event_id = b"%s-%d" % (EVENT_ID, next(numbers))
                now += PLACE, hashed(view)
                entries.append(b"".join((PLACE, mark, event_id)))
                listed.append(b"".join((key, view, HEADERS, event_id)))
            held = b"".join(now)
            if self._held.get(key) != held:
                self._held[key] = held
                states.append(held)
            self._records[key] = value
        for written in (*sent, entries, states):
            Batch(written, len(written), 0, 0, 0)._build()  # noqa: SLF001 - as the client's sender does
        self.spent += clock.worked() - began
        self.delivered.update({flow[1]: len(listed) for flow, listed in zip(self._flows, sent, strict=True)})
