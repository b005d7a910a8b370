"""What a lane writes: records for agencies, disclosure blocks, lane state, dead letters. Values in, records out."""

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

from bus.avro.own import Message, OwnMessages
from bus.avro.wire import known_text, maybe_data, number
from bus.model.key import LONGEST_KEY
from bus.model.keyring import KeyRing
from bus.model.reasons import Reason
from bus.model.record import Incoming, Outgoing, new_record
from bus.route.commands import CUT_FROM, Completion
from bus.route.entries import block_body, entry_body
from bus.route.label import Label, Moment
from bus.route.outlet import Delivery
from bus.route.rules import Rule
from bus.route.state import Draft, Position
from bus.route.store.bodies import NAMES, entries_of, position_message
from bus.topics import MAX_RECORD_BYTES, Topics

NO_HEADERS = number(0)

BLOCK_ENTRIES = 1000
"""Releases and erasures in one disclosure record at the most; more are split."""

BLOCK_BYTES = 400_000
"""Bytes of the releases and erasures in one disclosure record at the most: with the rest a block stays below 500 kB."""

COUNT_BYTES = 16
"""What a count of withholdings, or the trace of an agreement, takes at the most beside its two texts."""


class Writer:
    """Turns a drafted transaction of one lane into records."""

    def __init__(self, lane: int, topics: Topics, keyring: KeyRing, messages: OwnMessages) -> None:
        self._lane = lane
        self._topics = topics
        self._keyring = keyring
        self._messages = messages

    def records(
        self,
        draft: Draft,
        deliveries: Sequence[Delivery],
        withheld: Sequence[Message],
        dead: Sequence[Outgoing],
        *,
        aborted: int = 0,
    ) -> list[Outgoing]:
        """Everything of one transaction. The position is always among it, a block where there is something to say.

        `aborted` counts the attempts since the last block that had been sent and were not committed.
        """
        entries: list[bytes] = []
        traces: dict[str, str] = {}
        return [
            *self._deliveries(draft, deliveries, entries, traces),
            *self._blocks(draft.position, entries, traces, withheld, aborted),
            *dead,
            *self._state(draft),
        ]

    def dead_letter(self, record: Incoming, reason: str, *, cut: bool = False) -> Outgoing:
        """The record untouched, with where it came from and why it lies here in its headers.

        With `cut`, for one that Kafka does not take again, compressed otherwise than it came, what it begins with; the
        header `dead-cut-from` then tells the size of its value in bytes.
        """
        origin = f"{record.topic}/{record.partition}/{record.offset}".encode()
        ours = (("dead-reason", reason.encode()), ("dead-origin", origin))
        key, value, headers = record.key, record.value, (*record.headers, *ours)
        if cut:
            headers = (*ours, (CUT_FROM, str(len(value or b"")).encode()))
            key, value = key and key[:LONGEST_KEY], value and value[:MAX_RECORD_BYTES]
        return Outgoing(self._topics.deadletters, self._lane, key, value, headers)

    def completion(self, done: Completion, position: Position) -> Outgoing:
        """What became of an order, for `status`."""
        message = completion_message(done, self._lane, position)
        return Outgoing(
            self._topics.status,
            0,
            f"command/{done.command.command_id}".encode(),
            self._messages.encode("completion", message),
        )

    def _deliveries(
        self, draft: Draft, deliveries: Sequence[Delivery], entries: list[bytes], traces: dict[str, str]
    ) -> list[Outgoing]:
        """A record for each delivery; its entry for the block is added to `entries`, its trace to `traces`."""
        moment = Moment(self._lane, draft.position.block, draft.told_ms)
        labels: dict[tuple[Rule, str, Reason | None], Label] = {}
        marks: dict[str | None, bytes] = {None: maybe_data(None)}  # a change that goes to four has one subject
        records: list[Outgoing] = []
        label: Label | None = None
        place, last_where, last_reason = b"", None, None
        for rule, where, key, consent, value, subject, reason in in_order(deliveries):
            if label is None or where is not last_where or reason is not last_reason:  # most come in long runs
                last_where, last_reason = where, reason
                label = labels.get((rule, where.revision, reason))
                if label is None:
                    label = Label.of(rule, where.revision, reason, moment, self._keyring)
                    labels[rule, where.revision, reason] = label
                    traces[rule.route.agreement] = label.trace
                place = known_text(where.topic) + number(where.partition)
            mark = marks.get(subject)
            if mark is None:
                mark = marks[subject] = maybe_data(self._keyring.subject_mark((subject or "").encode()))
            event_id, stamp = label.mark(consent)
            entries.append(entry_body(label.entry_begin, consent, mark, place, event_id, label.entry_end))
            records.append(new_record((where.topic, where.partition, key, value, (), label.time_ms, stamp)))
        return records

    def _blocks(
        self,
        position: Position,
        entries: Sequence[bytes],
        traces: Mapping[str, str],
        withheld: Sequence[Message],
        aborted: int,
    ) -> Iterator[Outgoing]:
        if not entries and not withheld and not aborted:
            return
        beside = sum(len(one["agreement"]) + len(one["reason"]) + COUNT_BYTES for one in withheld)
        beside += sum(len(agreement) + len(trace) + COUNT_BYTES for agreement, trace in traces.items())
        for part, some in enumerate(parts_of(entries, beside)):
            block = {
                "lane": self._lane,
                "block": position.block,
                "part": part,
                "at": position.lane_time_ms,
                "consents_offset": position.consents_offset,
                "register_offset": position.register_offset,
                "inputs": dict(position.inputs),
                "withheld": list(withheld) if part == 0 else [],
                "traces": traces if part == 0 else {},
                "aborted": aborted if part == 0 else 0,
            }
            value = self._messages.framed("disclosure_block", block_body(block, some))
            yield Outgoing(self._topics.disclosures, self._lane, None, value)

    def _state(self, draft: Draft) -> Iterator[Outgoing]:
        topic, lane, messages = self._topics.lane_state, self._lane, self._messages
        for key, body in entries_of(draft):
            value = None if body is None else messages.framed(NAMES[key.partition(b"/")[0]], body)
            yield new_record((topic, lane, key, value, (), None, NO_HEADERS))
        position = messages.encode("lane_position", position_message(draft.position))
        yield Outgoing(topic, lane, b"position", position)


def in_order(deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    """As they are to be written: those of pseudonymous flows by what their recipient sees, the others as they came.

    As they come tells of ids: what exists already, and a registry at its first reading, comes in the order of those.
    """
    hidden = [one for one in deliveries if one.rule.route.pseudonymous]
    if not hidden:
        return deliveries
    shown = [one for one in deliveries if not one.rule.route.pseudonymous]
    return [*shown, *sorted(hidden, key=attrgetter("where.topic", "key"))]  # of one key the first stays the first


def parts_of(entries: Sequence[bytes], beside: int = 0) -> Iterator[Sequence[bytes]]:
    """Entries in order, as many together as a block may hold; one part even where there are none.

    `beside` are the bytes of what the first block holds beside its entries.
    """
    start, room = 0, BLOCK_BYTES - beside
    for at, entry in enumerate(entries):
        if at > start and (len(entry) > room or at - start == BLOCK_ENTRIES):
            yield entries[start:at]
            start, room = at, BLOCK_BYTES
        room -= len(entry)
    yield entries[start:]


def completion_message(done: Completion, lane: int, position: Position) -> Message:
    """A completed order as `status` keeps it."""
    command = done.command
    return {
        "command_id": command.command_id,
        "kind": command.kind.value,
        "lane": lane,
        "offset": command.letter,
        "connector": command.connector,
        "outcome": done.ending.value,
        "by": command.by,
        "reason": command.reason,
        "asked_at": command.at_ms,
        "at": position.lane_time_ms,
        "block": position.block,
    }
