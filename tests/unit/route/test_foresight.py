"""The preview against the lane's own core, and its samples against the whole."""

import asyncio
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.agreements.compile import compile_route
from bus.agreements.document import AgreementDocument, DataRange, FieldRule, revision
from bus.avro.codec import decode, encode, parse
from bus.avro.frame import frame, unframe
from bus.consent.covers import cover_of
from bus.consent.fold import NEVER, fold
from bus.model.change import Change
from bus.model.consent import ConsentAction, ConsentEvent, GivenBy
from bus.model.key import RecordKey
from bus.model.keyring import KeyRing, RootKey
from bus.model.record import Incoming
from bus.register.state import Standing
from bus.route.batch import Inputs
from bus.route.foresight.estimate import estimate
from bus.route.foresight.found import Foresight
from bus.route.foresight.judge import Judge, drawn
from bus.route.foresight.question import Question, Text
from bus.route.foresight.snapshot import Held, Snapshot
from bus.route.lane import LaneCore
from bus.route.rules import Rule, Rules
from bus.route.state import DeadVersion
from bus.route.store.memory import MemoryState
from tests.country import AGREEMENTS
from tests.unit.agreements.ground import DATASETS
from tests.unit.route.lanes import holdings

PERSON = DATASETS["population.person"]
SCHEMA, NOW = parse(dict(PERSON.schema), schema_id=7), 1_790_000_000_000
TEXTS = {one.id: one for one in AGREEMENTS if one.dataset == PERSON.name}
KEYS = KeyRing(RootKey(b"k" * 32), lambda _recipient, _epoch: b"a salt")
RANGES = (DataRange(last="P30Y", by="birth_date"), DataRange(last="P3650D", by="birth_date"))
PEOPLE = 30
FILTERS = (None, 'status == "ALIVE"', 'has(residence_province) && residence_province == "01"')


def read(value: bytes) -> dict[str, Any]:
    record: dict[str, Any] = decode(SCHEMA, unframe(value)[1])
    return record


def text_of(document: AgreementDocument, *, view_schema_id: int, accepted: frozenset[str] = frozenset()) -> Text:
    """A text, compiled as in force."""
    pseudonym = lambda value: KEYS.pseudonym(document.recipient, 1, value)  # noqa: E731 - it is handed on
    route = compile_route(
        document,
        PERSON,
        number=1,
        topic=f"agency.{document.id}",
        view_schema_id=view_schema_id,
        pseudonym=pseudonym,
        consent_basis_code="C",
        accepted_revisions=accepted,
        no_wider=accepted,
    )
    view = parse(route.view_schema, schema_id=view_schema_id)
    return Text(document, Rule(route, Standing.ACTIVE, view, 8, pseudonym))


def rules_of(text: Text, offset: int) -> Rules:
    route = text.rule.route
    return Rules(offset, {route.agreement: text.rule}, {route.dataset: (text.rule,)}, {route.dataset: True})


def record(number: int, dice: random.Random) -> tuple[bytes, bytes]:
    """A person of some kind that the filters tell apart: key and framed record."""
    personal_id = f"0010900{number:05}"
    values = dict.fromkeys(one["name"] for one in PERSON.schema["fields"]) | {
        "personal_id": personal_id,
        "full_name": "Nguyễn Văn An",
        "birth_date": dice.randrange(20_000),
        "sex": dice.choice(("MALE", "FEMALE")),
        "nationality": "VN",
        "birth_province": "001",
        "residence_province": dice.choice((None, "01", "48")),
        "residence_commune": "00004",
        "residence_address": "1 Phố Huế",
        "marital_status": "SINGLE",
        "status": dice.choice(("ALIVE", "ALIVE", "DEAD")),
        "eid_level": 2,
        "record_version": 1,
        "updated_at": 0,
    }
    return RecordKey(personal_id, personal_id).encode(), frame(7, encode(SCHEMA, values))


def consented(subject: str, text: AgreementDocument) -> ConsentEvent:
    """A consent to a text, without end."""
    given_by, action = GivenBy.SELF, ConsentAction.GIVE
    return ConsentEvent(f"e-{subject}", subject, text.id, revision(text), action, given_by, "p", 0, None, 1)


@st.composite
def edited_texts(draw: st.DrawFn) -> tuple[AgreementDocument, AgreementDocument]:
    """An agreement, and the text that somebody has made of it."""
    old = TEXTS[draw(st.sampled_from(("person-to-tax", "person-address-to-bank", "person-to-statistics")))]
    fields = draw(st.permutations(old.fields).map(lambda some: tuple(some[: draw(st.integers(1, len(some)))])))
    return old, old.model_copy(
        update={
            "fields": fields,
            "filter": draw(st.sampled_from((old.filter, *FILTERS))),
            "retention": draw(st.sampled_from((old.retention, "P9Y"))),
            "on_scope_exit": "erase" if old.needs_consent else draw(st.sampled_from(("erase", "keep"))),
            "frequency": draw(st.sampled_from((None, "daily", "monthly"))),
            "data_range": None if old.pseudonymous else draw(st.sampled_from((None, *RANGES))),
        }
    )


@st.composite
def texts_after(draw: st.DrawFn) -> tuple[AgreementDocument, AgreementDocument]:
    """A text in force and the next one, which may be the same: then what waits for its day goes on waiting."""
    before, after = draw(edited_texts())
    return draw(st.sampled_from(((before, after), (after, after))))


def drafted(state: MemoryState, text: Text, offset: int) -> tuple[dict[str, set[bytes]], Counter[str]]:
    """What the lane's core makes of a text: the keys that are told, by what, and the withholdings.

    Every record is judged in the first round; those after it sweep what is held, which tells nothing else.
    """
    rules = rules_of(replace(text, rule=replace(text.rule, backfill=offset)), offset)
    core, first = LaneCore(0, KEYS, read), True
    held_before = [holdings(state, PERSON.name, key) for key in state.holdings[PERSON.name]]
    before = {held[text.document.id].key for held in held_before if text.document.id in held}
    told: dict[str, set[bytes]] = {}
    withheld: Counter[str] = Counter()
    while True:
        outcome = core.draft(state, rules, Inputs(existing_limit=PEOPLE), NOW)
        for delivery in outcome.deliveries:
            held = "changed" if delivery.key in before else "released"
            told.setdefault("erased" if delivery.value is None else held, set()).add(delivery.key)
        if first:
            withheld.update({reason.value: count for (_, reason), count in outcome.withheld.items()})
        first = False
        state.apply(outcome.draft)
        if not core.behind(state, rules, NOW):
            return told, withheld


@given(texts_after(), st.integers(0, 2**32))
@settings(max_examples=120)
def test_a_preview_is_what_the_core_drafts(texts: tuple[AgreementDocument, AgreementDocument], seed: int) -> None:
    """Under any edited text the preview names the keys and counts the reasons that the lane's core then drafts."""
    (before, after), dice, state = texts, random.Random(seed), MemoryState()  # noqa: S311 - no secret
    for number in range(PEOPLE):
        key, value = record(number, dice)
        state.put_record(PERSON.name, key, value)
        if dice.random() < 0.6:
            subject = key.partition(b"/")[0].decode()
            state.put_consent(subject, before.id, fold(NEVER, consented(subject, before)))
    accepted = frozenset({revision(before)}) if seed % 2 else frozenset[str]()
    old, new = text_of(before, view_schema_id=11), text_of(after, view_schema_id=12, accepted=accepted)
    drafted(state, old, 1)
    changed(state, old, dice)
    for number in range(0, PEOPLE, 5):
        key, _ = record(number, dice)
        state.put_dead(PERSON.name, key, DeadVersion(number))
        if dice.random() < 0.6:
            state.put_record(PERSON.name, key, None)  # as after a start from a log that was compacted meanwhile
    found, snapshot = judged(Question(new, old, PERSON, 7), state)
    told, withheld = drafted(state, new, 2)
    assert found.keys == told
    assert found.reasons_withheld == withheld
    held = len(snapshot.held)
    assert found.changed + found.erased + found.unchanged == held
    assert sum(sum(one.values()) for one in found.places.values()) == found.changed + found.erased + found.released


def changed(state: MemoryState, text: Text, dice: random.Random) -> None:
    """Newer versions of some records, judged under the text in force: where it spaces updates, they wait."""
    core, changes = LaneCore(0, KEYS, read), []
    for number in range(PEOPLE):
        if dice.random() < 0.5:
            key, value = record(number, dice)
            origin = Incoming("changes", 0, number, NOW, key, value)
            changes.append(Change(PERSON.name, key, key.partition(b"/")[0].decode(), value, origin))
    rules = rules_of(replace(text, rule=replace(text.rule, backfill=1)), 1)
    state.apply(core.draft(state, rules, Inputs(changes=changes), NOW).draft)


def judged(question: Question, state: MemoryState) -> tuple[Foresight, Snapshot]:
    """A preview of a state in memory."""
    route = question.route
    snapshot = Snapshot(0, records=dict(state.records[PERSON.name]), dead={key for _, key in state.dead})
    for key in state.holdings[PERSON.name]:
        one = holdings(state, PERSON.name, key).get(route.agreement)
        if one is None:
            continue
        snapshot.held[key] = Held(
            one.topic, one.key, one.view_hash, one.revision, one.released_at_ms, one.epoch, one.due_ms
        )
    snapshot.consents = {subject: cover_of(one) for (subject, _), one in state.consents.items()}
    found = Foresight(route.agreement, route.recipient, 1, by="residence_province", keys={})
    asyncio.run(Judge(question, KEYS, read, found).judge(snapshot, 1.0, NOW, lambda _: None))
    return found, snapshot


def test_what_lacks_nothing_but_consent_is_counted() -> None:
    """Of a text to which nobody could consent yet it is told how many records it would let through."""
    text, (state, dice) = TEXTS["person-address-to-bank"], (MemoryState(), random.Random(1))  # noqa: S311 - no secret
    fits = 0
    for number in range(PEOPLE):
        key, value = record(number, dice)
        state.put_record(PERSON.name, key, value)
        fits += read(value)["status"] == "ALIVE"
    found, _ = judged(Question(text_of(text, view_schema_id=12), None, PERSON, 7), state)
    assert (found.released, found.reasons_withheld) == (0, {"consent-missing": PEOPLE})
    assert 0 < found.if_consented == fits < PEOPLE
    law = TEXTS["person-to-tax"]
    assert judged(Question(text_of(law, view_schema_id=12), None, PERSON, 7), state)[0].if_consented == 0


def test_fields_that_change_are_told_from_the_values() -> None:
    """A field with another transform counts where its value differs; one that stays never does."""
    old = TEXTS["person-to-tax"]
    fields = tuple(one if one.name != "birth_date" else FieldRule(name="birth_date") for one in old.fields)
    state, dice = MemoryState(), random.Random(1)  # noqa: S311 - no secret
    for number in range(20):
        state.put_record(PERSON.name, *record(number, dice))
    before, after = (
        text_of(old, view_schema_id=11),
        text_of(old.model_copy(update={"fields": fields}), view_schema_id=12),
    )
    drafted(state, before, 1)
    found, _ = judged(Question(after, before, PERSON, 7), state)
    assert found.fields_changed == {"birth_date": found.changed}
    assert found.changed > 0
    assert found.resent == 0
    again, _ = judged(Question(text_of(old, view_schema_id=12), before, PERSON, 7), state)
    assert (again.changed, again.resent) == (found.changed, found.changed)
    assert not again.fields_changed


@pytest.mark.parametrize("share", [0.02, 0.3, 0.97])
def test_an_interval_holds_the_truth_nineteen_times_of_twenty(share: float) -> None:
    """Over many samples, drawn as a preview draws them, about 95 of 100 intervals hold the true count."""
    known, hits, rounds = 2_000, 0, 200
    for number in range(rounds):
        keys = [b"%d/%d" % (number, one) for one in range(known)]
        true = round(share * known)
        chosen = drawn(keys, 0.1)
        count = sum(int(key.partition(b"/")[2]) < true for key in chosen)
        found = estimate(count, len(chosen), known)
        assert count <= found.low <= found.nearest <= found.high <= known
        hits += found.low <= true <= found.high
    assert hits >= rounds * 0.9


def test_a_whole_count_has_no_error() -> None:
    """Where everything was judged the estimate is the count; where nothing was, it could be anything."""
    assert estimate(7, 10, 10) == (7, 7, 7)
    assert estimate(0, 0, 10) == (0, 0, 10)
    low, high = estimate(0, 100, 1_000)[1:]
    assert (low, high > 0) == (0, True)
