"""What the log of disclosures says of each delivery, and that the headers of the delivery say the same."""

from dataclasses import replace
from typing import Any

from aiokafka.record.memory_records import MemoryRecords

from bus.avro.codec import decode, parse
from bus.avro.frame import unframe
from bus.avro.own import own_schema
from bus.kafka.batch import batches
from bus.model.reasons import Reason
from bus.model.record import Outgoing
from bus.route.held import Where
from bus.route.outlet import Delivery
from bus.route.outputs import Writer
from bus.route.rules import Rule
from bus.route.state import Draft, Position
from bus.route.store.memory import MemoryState
from tests.unit.route.lanes import KEYRING, PARCEL, PERSON, rule
from tests.unit.route.model.running import TOPICS, messages

BY_CONSENT, BY_LAW = rule("a", needs_consent=True), rule("b", dataset=PARCEL, number=4, legal_basis="LAW-2")
POSITION = Position(90_000, 3, 11, 12, {PERSON: 5}, 6, 7)


def delivery(of: Rule, key: str, revision: str = "r1", **changes: Any) -> Delivery:
    where = Where(of.route.agreement, revision, of.route.topic, 2)
    return Delivery(of, where, key.encode(), None, b"view", None, None)._replace(**changes)


DELIVERIES = [
    delivery(BY_CONSENT, "p1/1", consent=b"give-1", subject="p1"),
    delivery(BY_CONSENT, "p2/1", "r0", value=None, reason=Reason.CONSENT_WITHDRAWN, consent=b"give-2", subject="p2"),
    delivery(BY_LAW, "parcel"),
    delivery(BY_LAW, "other", value=None, reason=Reason.DELETED),
    delivery(BY_CONSENT, "p3/1", value=None, reason=Reason.OUTSIDE_FILTER, subject="p3"),
]


def written(lane: int = 1, number: int = 3) -> tuple[list[Outgoing], dict[str, Any]]:
    """What goes to the agencies, and the block."""
    withheld = [{"agreement": "a", "reason": "too-old", "count": 2}]
    draft = Draft(MemoryState(), replace(POSITION, block=number))
    records = Writer(lane, TOPICS, KEYRING, messages()).records(draft, DELIVERIES, withheld, [], aborted=2)
    (framed,) = (one.value for one in records if one.topic == TOPICS.disclosures)
    block: dict[str, Any] = decode(parse(own_schema("disclosure_block")), unframe(framed or b"")[1])
    return [one for one in records if one.topic.startswith("agency.")], block


def headers(record: Outgoing) -> dict[str, str]:
    """As a recipient's client reads them."""
    ((batch,),) = batches([record]).values()
    packed: Any = MemoryRecords(bytes(batch._build()))
    (read,) = packed.next_batch()
    return {name: value.decode() for name, value in read.headers}


def test_each_delivery_has_its_entry() -> None:
    """An entry names what was done, to whom, on which ground and why; the block, as of when, and what was withheld."""
    _, block = written()
    entries = block.pop("entries")
    assert [one.pop("subject") for one in entries] == [
        None if one.subject is None else KEYRING.subject_mark(one.subject.encode()).decode() for one in DELIVERIES
    ]
    assert len({one.pop("event_id") for one in entries}) == len(DELIVERIES)
    a = {"agreement": "a", "number": 1, "recipient": "agency-of-a", "basis": "LAW-1", "topic": BY_CONSENT.route.topic}
    b = {"agreement": "b", "number": 4, "recipient": "agency-of-b", "basis": "LAW-2", "topic": BY_LAW.route.topic}
    released, erased = {"kind": "RELEASE", "reason": None, "partition": 2}, {"kind": "ERASE", "partition": 2}
    assert entries == [
        a | released | {"revision": "r1", "consent": "give-1"},
        a | erased | {"revision": "r0", "consent": "give-2", "reason": "consent-withdrawn"},
        b | released | {"revision": "r1", "consent": None},
        b | erased | {"revision": "r1", "consent": None, "reason": "deleted-at-source"},
        a | erased | {"revision": "r1", "consent": None, "reason": "outside-filter"},
    ]
    assert block.pop("traces").keys() == {"a", "b"}
    assert block == {
        "lane": 1,
        "block": 3,
        "part": 0,
        "at": 90_000,
        "consents_offset": 11,
        "register_offset": 12,
        "inputs": {PERSON: 5},
        "withheld": [{"agreement": "a", "reason": "too-old", "count": 2}],
        "aborted": 2,
    }


def test_headers_say_what_the_log_says() -> None:
    """A recipient and an auditor can lay a delivery and its entry side by side: by id, ground, reason and trace."""
    records, block = written()
    assert [(one.key, one.value) for one in records] == [(one.key, one.value) for one in DELIVERIES]
    for record, entry, made in zip(records, block["entries"], DELIVERIES, strict=True):
        told = headers(record)
        what = "released" if entry["kind"] == "RELEASE" else "erased"
        assert told["ce_type"] == f"{made.rule.route.dataset}.{what}"
        assert (told["ce_id"], told["ce_agreementid"]) == (entry["event_id"], entry["agreement"])
        assert (told["ce_agreementrevision"], told["ce_legalbasis"]) == (entry["revision"], entry["basis"])
        assert told.get("ce_erasurereason") == entry["reason"]
        assert ("content-type" in told) is (record.value is not None)
        assert ("ce_consentref" in told) is (entry["consent"] is not None)
        assert block["traces"][entry["agreement"]] in told["traceparent"]


def test_no_two_deliveries_have_one_id() -> None:
    """Ids and traces of one block, lane or agreement are those of no other, and the same when a block is made again."""
    blocks = [written(lane, number)[1] for lane in (1, 2) for number in (3, 4, 33)]
    ids = [entry["event_id"] for block in blocks for entry in block["entries"]]
    assert len(set(ids)) == len(ids) == 6 * len(DELIVERIES)
    traces = [trace for block in blocks for trace in block["traces"].values()]
    assert len(set(traces)) == len(traces) == 6 * 2
    assert written(1, 3)[1] == blocks[0]
