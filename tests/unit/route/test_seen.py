"""Views cut from bytes are the views that decoding and encoding gives; what cannot be cut is not."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.agreements.agencies import load_agencies
from bus.agreements.check import load_agreements
from bus.agreements.document import AgreementDocument, revision
from bus.avro.codec import decode, encode, parse
from bus.avro.datasets import dataset_of
from bus.avro.frame import frame
from bus.bench.workload import COUNTRY, DATASET, Nation, Shape, dataset
from bus.errors import FieldMissing, FilterError, RecordUnreadable
from bus.register.state import AgreementEntry, DatasetEntry, RegisterState, Standing
from bus.route.rules import ANSWERS_KEPT, RuleBook, Rules
from bus.route.seen import Seen
from tests.unit.route.lanes import KEYRING

SCHEMA = dataset().schema
DOCUMENTS = {
    document.recipient: document
    for document in load_agreements(
        COUNTRY / "agreements", {DATASET: dataset()}, load_agencies(COUNTRY / "agencies.yaml")
    )
}
VALUES: dict[str, Any] = {
    one["name"]: {"birth_date": 7425, "sex": "F", "updated_at": 5, "version": 9}.get(one["name"], one["name"])
    for one in SCHEMA["fields"]
}


def state(schema: dict[str, Any], schema_id: int, *documents: AgreementDocument) -> RegisterState:
    """A register with one dataset, and agreements about it."""
    entries = {
        document.id: AgreementEntry(
            agreement=document.id,
            number=number,
            revision=revision(document),
            document=document.model_dump(mode="json", by_alias=True),
            topic="t",
            view_schema_id=10 + number,
            standing=Standing.ACTIVE,
            accepted_revisions=frozenset(),
            consent_basis="CONSENT",
            since_offset=0,
        )
        for number, document in enumerate(documents)
    }
    return RegisterState(datasets={DATASET: DatasetEntry(DATASET, "people", schema, schema_id)}, agreements=entries)


def rules(*documents: AgreementDocument) -> Rules:
    return RuleBook(KEYRING, lanes=4, pseudonymous_partitions=8).compile(state(SCHEMA, 1, *documents))


def changed(document: AgreementDocument, *fields: Any) -> AgreementDocument:
    """The agreement with other fields."""
    return AgreementDocument.model_validate({**document.model_dump(mode="json", by_alias=True), "fields": list(fields)})


@pytest.mark.parametrize("recipient", sorted(DOCUMENTS))
def test_cut_as_written(recipient: str) -> None:
    """A view that is cut has, to the byte, what the slow way gives; and the filter decides alike."""
    now, nation = rules(DOCUMENTS[recipient]), Nation(1, shape=Shape(subjects=50))
    (rule,) = now.rules.values()
    assert rule.route.cuts is not None
    assert now.sights[DATASET].part.schema["fields"] != SCHEMA["fields"]
    whole = parse(SCHEMA)
    for number in range(200):
        value = nation.change(number).value
        seen = now.sights[DATASET].see(value)
        assert seen is not None
        record = _decoded(whole, value)
        assert rule.cut(seen) == rule.cut(Seen(value, record))
        assert rule.route.admits(seen.record) == rule.route.admits(record) == rule.admits(seen)


def test_a_filter_is_asked_once_for_what_it_reads() -> None:
    """An answer is remembered by the fields that the filter reads, errors too, and only so many of them are."""
    now, asked = rules(DOCUMENTS["tax"]), []
    (rule,) = now.rules.values()

    def admits(record: Mapping[str, Any]) -> bool:
        asked.append(record["status"])
        if record["status"] == "broken":
            raise FilterError(agreement="tax")
        return bool(record["status"] == "ALIVE")

    rule = replace(rule, route=replace(rule.route, admits=admits))
    statuses = ["ALIVE", "DEAD", "broken", "broken", "ALIVE", "DEAD"]
    answers = []
    for number, status in enumerate(statuses):
        value = frame(1, encode(parse(SCHEMA), {**VALUES, "status": status, "version": number}))
        seen = now.sights[DATASET].see(value)
        assert seen is not None
        try:
            answers.append(str(rule.admits(seen)))
        except FilterError:
            answers.append("error")
    assert answers == ["True", "False", "error", "error", "True", "False"]
    assert asked == ["ALIVE", "DEAD", "broken"]
    for number in range(ANSWERS_KEPT + 1):
        seen = now.sights[DATASET].see(frame(1, encode(parse(SCHEMA), {**VALUES, "status": f"s{number}"})))
        assert seen is not None
        assert not rule.admits(seen)
    assert len(asked) == 3 + ANSWERS_KEPT + 1


def test_changed_values_are_not_cut() -> None:
    """An agreement that changes one value is not cut, reads what it needs, and gives what the slow way gives."""
    year = {"name": "birth_date", "as": "year", "called": "birth_year"}
    now = rules(changed(DOCUMENTS["insurance"], "person_id", year), DOCUMENTS["tax"])
    slow = next(rule for rule in now.rules.values() if rule.route.recipient == "insurance")
    assert slow.route.cuts is None
    assert slow.route.reads == {"person_id", "birth_date"}
    value = frame(1, encode(parse(SCHEMA), VALUES))
    seen = now.sights[DATASET].see(value)
    assert seen is not None
    assert seen.record.keys() == {"person_id", "birth_date", "status"}
    assert slow.cut(seen) == slow.cut(Seen(value, VALUES))


def test_a_new_schema_moves_the_cuts() -> None:
    """After a field was put before the others, no recipient gets a neighbour of what it may have."""
    book = RuleBook(KEYRING, lanes=4, pseudonymous_partitions=8)
    book.compile(state(SCHEMA, 1, DOCUMENTS["tax"]))
    first = {"name": "secret", "type": "string", "default": "", "doc": "New.", "category": "sensitive"}
    newer = {**SCHEMA, "fields": [first, *SCHEMA["fields"]]}
    now = book.compile(state(newer, 2, DOCUMENTS["tax"]))
    (rule,) = now.rules.values()
    value = frame(2, encode(parse(newer), {**VALUES, "secret": "not for the tax office"}))
    seen = now.sights[DATASET].see(value)
    assert seen is not None
    assert rule.cut(seen) == rule.cut(Seen(value, VALUES))
    assert now.sights[DATASET].see(frame(1, encode(parse(SCHEMA), VALUES))) is None


def test_null_in_second_place_is_not_cut() -> None:
    """A view writes null as the first branch; a dataset that writes it as the second is decoded."""
    fields = [{**one, "type": ["string", "null"]} if one["name"] == "address" else one for one in SCHEMA["fields"]]
    turned = {**SCHEMA, "fields": [{k: v for k, v in one.items() if k != "default"} for one in fields]}
    assert dataset_of(turned, place="test").field("address") is not None
    now = RuleBook(KEYRING, lanes=4, pseudonymous_partitions=8).compile(state(turned, 1, DOCUMENTS["portal"]))
    (rule,) = now.rules.values()
    assert rule.route.cuts is None


@given(st.binary(max_size=200))
def test_anything_else_is_decoded_whole(body: bytes) -> None:
    """Bytes that follow no schema are never cut: the decoder says what is wrong with them."""
    sight = rules(DOCUMENTS["tax"]).sights[DATASET]
    seen = sight.see(frame(1, body))
    if seen is not None:
        assert _decoded(parse(SCHEMA), frame(1, body))["status"] == seen.record["status"]


def _decoded(parsed: Any, value: bytes) -> dict[str, Any]:
    found: dict[str, Any] = decode(parsed, value[5:])
    return found


def test_a_record_cut_short() -> None:
    """A record that ends too early is unreadable, and not a shorter view."""
    value = frame(1, encode(parse(SCHEMA), VALUES))[:-1]
    assert rules(DOCUMENTS["tax"]).sights[DATASET].see(value) is None
    with pytest.raises(RecordUnreadable):
        _decoded(parse(SCHEMA), value)


def _with_home(symbols: list[str], *more: str) -> dict[str, Any]:
    """The schema with records inside, of whose fields some came later, and a union that nobody looks into."""
    kind = {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": symbols}}
    kind |= {"doc": "A kind.", "category": "personal"}
    texts = [{"name": one, "type": "string", "doc": one, "category": "personal"} for one in ("street", *more)]
    home = {"type": "record", "name": "Home", "fields": [*texts, kind]}
    listed = {"type": "array", "items": "Home"}
    added = [("home", home), ("homes", listed), ("either", ["null", "Home", "string"])]
    fields = [{"name": name, "type": avro, "doc": name, "category": "personal"} for name, avro in added]
    return {**SCHEMA, "fields": [*SCHEMA["fields"], *fields]}


@pytest.mark.parametrize(
    ("says", "wrong", "expected"),
    [
        ("What the schema knows is released of records inside, and no more.", {}, {"street": "1", "kind": "A"}),
        (
            "A symbol that it does not know cannot be released.",
            {"home": {"street": "1", "city": "2", "kind": "C"}},
            None,
        ),
        ("Nor a branch of which it knows a part.", {"either": {"street": "1", "city": "2", "kind": "A"}}, None),
    ],
)
def test_newer_records_inside(says: str, wrong: dict[str, Any], expected: dict[str, str] | None) -> None:
    """Of a record that a newer schema wrote, a record inside shows what the older one knows, or is withheld."""
    old, new = _with_home(["A", "B"]), _with_home(["A", "B", "C"], "city")
    document = changed(DOCUMENTS["tax"], "home", "homes", "either")
    now = RuleBook(KEYRING, lanes=4, pseudonymous_partitions=8).compile(state(old, 1, document))
    (rule,) = now.rules.values()
    home = {"street": "1", "city": "2", "kind": "A"}
    value = frame(2, encode(parse(new), {**VALUES, "home": home, "homes": [home], "either": "-", **wrong}))
    seen = Seen(value, _decoded(parse(new), value))
    if expected is None:
        with pytest.raises(FieldMissing):
            rule.cut(seen)
    else:
        assert decode(rule.view, rule.cut(seen)[5:]) == {"home": expected, "homes": [expected], "either": "-"}, says
