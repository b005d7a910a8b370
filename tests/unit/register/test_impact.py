"""What a new schema would do to those who receive."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from bus.avro.datasets import Dataset, dataset_of
from bus.register.impact import Effect, Impact, differences, impact
from bus.register.state import AgreementEntry, DatasetEntry, Standing
from tests.country import AGREEMENTS, DATASETS

PERSON = DATASETS["population.person"]
FELT = [document for document in AGREEMENTS if document.dataset == PERSON.name]


def entry(number: int, standing: Standing = Standing.ACTIVE) -> AgreementEntry:
    """An agreement on persons as the register has it."""
    document = FELT[number]
    body = document.model_dump(mode="json", by_alias=True)
    return AgreementEntry(document.id, number, "r", body, "t", 1, standing, frozenset(), "c", 0)


def of(change: Any, standing: Standing = Standing.ACTIVE) -> Impact:
    """The impact of a change of the schema of persons on every agreement about them."""
    schema = deepcopy(PERSON.schema)
    change(schema)
    new = dataset_of(schema, place="new")
    known = DatasetEntry(PERSON.name, "population", PERSON.schema, 1)
    return impact(new, known, [entry(number, standing) for number in range(len(FELT))])


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in schema["fields"] if one["name"] == name)
    return found


def test_a_new_dataset_is_felt_by_nobody() -> None:
    """What the register does not know yet can break nothing."""
    found = impact(PERSON, None, [entry(0)])
    assert found.is_new
    assert found.felt == ()


def test_a_field_more_is_felt_by_nobody() -> None:
    """A field with a default must be shown as a difference, and no agreement may feel it."""
    more = {"name": "nick", "type": ["null", "string"], "default": None, "category": "personal", "doc": "A nickname."}
    found = of(lambda schema: schema["fields"].append(more))
    assert found.differences == ("+ nick: null | string, personal",)
    assert found.incompatible == ()
    assert {one.effect for one in found.felt} == {Effect.NONE}
    assert len(found.felt) == len(FELT)


def test_a_default_that_goes_is_a_difference() -> None:
    """A default that is null is a default: without it the field is another one."""
    schema = deepcopy(PERSON.schema)
    field(schema, "marital_status").pop("default", None)
    defaulted = deepcopy(schema)
    field(defaulted, "marital_status")["default"] = None
    assert differences(defaulted, schema) == ["~ marital_status: default null → none"]
    assert differences(schema, defaulted) == ["~ marital_status: default none → null"]


def test_a_field_that_is_gone_breaks_those_who_get_it() -> None:
    """Exactly the agreements that release a field, or filter by it, are broken when it goes."""
    found = of(lambda schema: schema["fields"].remove(field(schema, "full_name")))
    assert "- full_name" in found.differences
    users = {one.id for one in FELT if any(rule.name == "full_name" for rule in one.fields)}
    assert users
    assert {one.agreement for one in found.broken} == users


def test_a_type_that_changes_breaks_those_who_get_it() -> None:
    """A view that would be another one breaks its agreement, even where older records can still be read."""

    def wider(schema: dict[str, Any]) -> None:
        field(schema, "record_version")["type"] = "double"
        field(schema, "full_name")["type"] = ["null", "string"]

    found = of(wider)
    assert found.incompatible == ()
    assert any("view would change" in one.reason for one in found.broken)


def test_a_more_guarded_category_breaks_those_that_may_not_have_it() -> None:
    """A field that becomes sensitive breaks the agreements that may release personal data at most."""
    found = of(lambda schema: field(schema, "full_name").update(category="sensitive"))
    capped = {
        one.id for one in FELT if one.max_category == "personal" and "full_name" in {rule.name for rule in one.fields}
    }
    assert {one.agreement for one in found.broken} == capped


def test_another_province_breaks_those_who_get_it() -> None:
    """A schema cannot make something else of what an agreement gives as a province: a whole commune, for instance."""
    text = FELT[0].model_dump(mode="json", by_alias=True)
    text |= {"identifier": "personal-id", "fields": [{"name": "residence_commune", "as": {"kind": "province"}}]}
    known = DatasetEntry(PERSON.name, "population", PERSON.schema, 1)
    schema = deepcopy(PERSON.schema)
    assert field(schema, "residence_commune")["province"] == "residence_province"
    field(schema, "residence_commune")["province"] = 5
    found = impact(dataset_of(schema, place="new"), known, [replace(entry(0), document=text)])
    assert found.differences == ("~ residence_commune: province residence_province → 5",)
    assert [one.reason for one in found.broken] == ["it would give something else as the province of residence_commune"]


def test_another_record_id_breaks_all() -> None:
    """When records are told apart in another way, nothing that was released could be erased any more."""
    found = of(lambda schema: schema.update(record_id=["personal_id", "nationality"]))
    assert len(found.broken) == len(FELT)


@pytest.mark.parametrize(
    ("standing", "on_end", "refused"),
    [
        (Standing.SUSPENDED, "erase", True),
        (Standing.ENDED, "keep", True),
        (Standing.ENDED, "erase", False),
    ],
)
def test_another_record_id_strands_copies(standing: Standing, on_end: str, *, refused: bool) -> None:
    """Copies that a suspended or an ended agreement leaves could be erased no more: such a schema is refused too."""
    schema = deepcopy(PERSON.schema) | {"record_id": ["personal_id", "nationality"]}
    known, one = DatasetEntry(PERSON.name, "population", PERSON.schema, 1), entry(0, standing)
    one = replace(one, document={**one.document, "on_end": on_end})
    found = impact(dataset_of(schema, place="new"), known, [one])
    assert [felt.effect for felt in found.broken] == [Effect.STRANDS] * refused


def test_what_is_suspended_is_told_but_not_in_the_way() -> None:
    """A suspended agreement is listed with the effect, and does not count as broken."""
    found = of(lambda schema: schema["fields"].remove(field(schema, "full_name")), Standing.SUSPENDED)
    assert Effect.BREAKS in {one.effect for one in found.felt}
    assert found.broken == ()


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_equal_schemas_differ_in_nothing(name: str) -> None:
    """A schema compared with itself must come out without a line."""
    dataset: Dataset = DATASETS[name]
    assert differences(dataset.schema, deepcopy(dataset.schema)) == []
