"""Each key of an agreement, tried on a real lane: what is enforced shows in what a recipient gets, nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from bus.agreements.document import AgreementDocument, Mark, revision
from bus.deliver.contract import asyncapi
from bus.deliver.recipients import Flow, Recipient
from bus.register.state import AgreementEntry, Standing
from tests.unit.register.book import peopled
from tests.unit.route.country import CountryLane, moment

BASE: dict[str, Any] = {
    "id": "person-to-x",
    "title": {"en": "A title"},
    "dataset": "population.person",
    "recipient": "tax-authority",
    "purpose": {"code": "trial", "en": "Trying"},
    "basis": {"statutory": "LAW-1", "article": "Article 1"},
    "identifier": "personal-id",
    "fields": ["personal_id", "full_name"],
    "valid": {"from": "2026-01-01", "until": "2026-12-31"},
    "timezone": "Asia/Ho_Chi_Minh",
    "filter": 'status == "ALIVE"',
}
HIDDEN = {"fields": [{"name": "personal_id", "as": "pseudonym"}, "record_version"], "max_category": "personal"}
REGISTER = peopled().state

# For each key: what else the text says, and what the key is changed to.
CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "id": ({}, "person-to-y"),
    "title": ({}, {"en": "Another title"}),
    "description": ({}, {"en": "More about it"}),
    "dataset": ({"fields": ["personal_id"], "filter": None}, "insurance.coverage"),
    "recipient": ({}, "commercial-bank"),
    "purpose": ({}, {"code": "another", "en": "Trying"}),
    "basis": ({}, {"consent": "required"}),
    "identifier": (HIDDEN, "pseudonym"),
    "filter": ({}, 'status == "ALIVE" && full_name == "Nguyễn Văn An"'),
    "fields": ({}, ["personal_id", "full_name", "sex"]),
    "max_category": ({}, "public"),
    "retention": ({}, "P20D"),
    "valid": ({}, {"from": "2026-01-01", "until": "2026-06-30"}),
    "timezone": ({}, "Asia/Tokyo"),
    "on_scope_exit": ({}, "keep"),
    "on_end": ({}, "keep"),
    "frequency": ({}, "weekly"),
    "data_range": ({}, {"last": "P60D", "by": "updated_at"}),
    "major": ({}, 2),
    "onward_transfer": ({}, ["social-security"]),
    "dpia": ({}, "DPIA-7"),
    "contact": ({}, "somebody"),
    "examples": ({}, [{"given": {"status": "DEAD"}, "expect": {"withhold": "outside-filter"}}]),
}
ENFORCED = {
    *("id", "dataset", "recipient", "purpose", "basis", "identifier", "filter", "fields", "max_category", "retention"),
    *("valid", "timezone", "on_scope_exit", "on_end", "frequency", "data_range", "major"),
}
OBLIGATIONS = {"onward_transfer"}


def entry(document: AgreementDocument) -> AgreementEntry:
    name, dumped = document.id, document.model_dump(mode="json", by_alias=True)
    topic, own = f"agency.{document.recipient}.{name}.v{document.major}", revision(document)
    return AgreementEntry(name, 1, own, dumped, topic, 7, Standing.ACTIVE, frozenset({own}), "CONSENT", since_offset=0)


def told(document: AgreementDocument) -> list[Any]:
    """What a recipient gets of a year: three versions of a record, one of them outside the filter, and then silence."""
    one = entry(document)
    lane = CountryLane(replace(REGISTER, agreements={document.id: one}), moment("2026-03-02T10:00"))
    lane.person()
    lane.until("2026-03-03T10:00")
    lane.person(full_name="Nguyễn Văn Bình")
    lane.until("2026-04-01T10:00")
    lane.person(full_name="Nguyễn Văn Bình", status="DEAD")
    lane.until("2026-04-02T10:00")
    lane.person(full_name="Nguyễn Văn Chi")
    lane.until("2027-03-01T10:00")
    hidden = {"ce_agreementrevision", "traceparent", "content-type"}  # they differ with each text, or say nothing
    return [
        replace(one, headers={name: text for name, text in one.headers.items() if name not in hidden})
        for one in lane.told
    ]


def documents(key: str) -> tuple[AgreementDocument, AgreementDocument]:
    """A text, and the same with this key changed."""
    rest, value = CASES[key]
    return tuple(AgreementDocument.model_validate(one) for one in (BASE | rest, BASE | rest | {key: value}))  # type: ignore[return-value]  # two


def marks() -> dict[str, str]:
    fields = AgreementDocument.model_fields.items()
    return {name: info.json_schema_extra["mark"] for name, info in fields if isinstance(info.json_schema_extra, dict)}  # type: ignore[misc]  # a text


def test_every_key_is_listed() -> None:
    """Whoever adds a key says here what the bus makes of it, and by what change that shows."""
    assert set(CASES) == set(AgreementDocument.model_fields)
    assert {name for name, mark in marks().items() if mark == Mark.ENFORCED} == ENFORCED
    assert {name for name, mark in marks().items() if mark == Mark.OBLIGATION} == OBLIGATIONS


def test_the_story_of_the_base() -> None:
    """Released twice, erased outside the filter, released when back in it, erased when the agreement was over."""
    reasons = [one.headers.get("ce_erasurereason") for one in told(documents("title")[0])]
    assert reasons == [None, None, "outside-filter", None, "agreement-over"]


@pytest.mark.parametrize("key", sorted(ENFORCED))
def test_enforced_keys_change_what_is_told(key: str) -> None:
    """A change of an enforced key shows in topics, keys, views, headers or moments of what the recipient gets."""
    before, after = documents(key)
    assert told(before) != told(after)


@pytest.mark.parametrize("key", sorted(set(CASES) - ENFORCED))
def test_other_keys_change_nothing(key: str) -> None:
    """What is shown, and what binds the recipient, changes nothing that the lane tells."""
    before, after = documents(key)
    assert told(before) == told(after)
    assert told(before)


@pytest.mark.parametrize("key", sorted(OBLIGATIONS))
def test_obligations_are_carried_to_the_recipient(key: str) -> None:
    """What the bus cannot enforce stands in the recipient's contract, as the text has it, and is a new revision."""
    before, after = documents(key)
    assert revision(before) != revision(after)
    flow = Flow(after.id, "active", after.title, after.dataset, "topic")
    recipient = Recipient(after.recipient, {"en": "The recipient"}, (flow,))
    contract = asyncapi(recipient, {after.id: entry(after)}, {after.id: {}}, {})
    operation = contract["operations"][f"receive-{after.id}"]
    assert operation["x-obligations"][key] == CASES[key][1]
    assert "social-security" in operation["description"]
