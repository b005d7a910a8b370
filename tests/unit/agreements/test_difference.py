"""What `bus agreement diff` and `new` say."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bus.agreements.difference import differences, text_diff
from bus.agreements.document import AgreementDocument, FieldRule, Validity
from bus.cli.agreement import agreement
from tests.country import AGREEMENTS
from tests.unit.agreements.ground import DATASETS

ALL = {one.id: one for one in AGREEMENTS}
BANK = ALL["person-address-to-bank"]


def told(old: AgreementDocument | None, new: AgreementDocument, language: str = "en") -> list[str]:
    return [one.sentence(language) for one in differences(old, new, ALL.values())]


def test_an_added_field_is_told_with_who_has_it_then() -> None:
    """A field that is added is told first, with how many agencies receive it before and after, and what consents do."""
    wider = BANK.model_copy(update={"fields": (*BANK.fields, FieldRule(name="marital_status"))})
    have = {one.recipient for one in ALL.values() if one.id != BANK.id and "marital_status" in map(str, names(one))}
    found = told(BANK, wider)
    assert found[0] == "adds: marital_status"
    assert found[1] == f"agencies that receive marital_status rise from {len(have)} to {len(have | {BANK.recipient})}"
    assert found[-1].startswith("asks for more than people consented to (fields)")
    assert told(BANK, wider, "vi")[0] == "thêm: marital_status"


def names(document: AgreementDocument) -> list[str]:
    return [rule.name for rule in document.fields] if document.dataset == BANK.dataset else []


def test_a_removed_field_a_transform_and_a_key() -> None:
    """What is taken away, done otherwise, or set to another value is told with both values."""
    first, *rest = BANK.fields
    masked = FieldRule.model_validate({"name": first.name, "as": "present"})
    new = BANK.model_copy(update={"fields": (masked, *rest[1:]), "retention": "P9Y"})
    found = told(BANK, new)
    assert f"changes: {first.name} from as it is to present" in found
    assert f"removes: {rest[0].name}" in found
    assert f"retention: {BANK.retention or '-'} → P9Y" in found


def test_a_text_that_needs_no_consent_any_more() -> None:
    """That the law takes the place of consent is said in a sentence of its own: a withdrawal stops nothing then."""
    by_law = BANK.model_copy(update={"basis": ALL["person-to-tax"].basis})
    assert told(BANK, by_law)[0].startswith("asks nobody for consent any more: records of everybody flow")
    assert told(BANK, by_law, "vi")[0].startswith("không còn hỏi ý kiến ai nữa")
    assert not any("asks nobody" in one for one in told(by_law, BANK) + told(BANK, BANK))


@pytest.mark.parametrize(("until", "longer"), [("2099-01-01", "until 2099-01-01"), (None, "until it is ended")])
def test_a_text_that_holds_longer(until: str | None, longer: str) -> None:
    """A later last day is said in a sentence of its own, for consents that were given until the earlier one go on."""
    later = BANK.model_copy(update={"valid": Validity.model_validate({"from": str(BANK.valid.from_), "until": until})})
    assert f"people's data flow longer than they were told: {longer}; their consents go on" in told(BANK, later)
    assert not any("longer" in one for one in told(later, BANK))


def test_a_field_beside_itself() -> None:
    """A field that is released as it is beside its last characters, or judged on another day, is told as changed."""
    whole = FieldRule.model_validate({"name": "phone", "called": "whole_phone"})
    adult = FieldRule.model_validate({"name": "birth_date", "as": {"age_over": 18, "day": "2027-01-01"}})
    fields = [adult if one.name == "birth_date" else one for one in BANK.fields]
    found = told(BANK, BANK.model_copy(update={"fields": (*fields, whole)}))
    assert found[:2] == [
        "changes: birth_date from age_over 18 to age_over 18 2027-01-01",
        "changes: phone from mask 3 to mask 3 + as it is",
    ]


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_same_text_has_no_difference(name: str) -> None:
    """No agreement differs from itself after a journey through JSON, neither in meaning nor in its lines."""
    again = AgreementDocument.model_validate(ALL[name].model_dump(mode="json", by_alias=True))
    assert told(ALL[name], again) == []
    assert text_diff(ALL[name], again) == []


def test_a_new_agreement_is_told_whole() -> None:
    """A text that follows no other is told as new, with each field that it adds."""
    found = told(None, BANK)
    assert found[0].startswith("new: commercial-bank")
    assert sum(one.startswith("adds: ") for one in found) == len({rule.name for rule in BANK.fields})


def test_a_first_draft_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`new` writes a file that names every field of the dataset, and that `check` does not accept as it is."""
    monkeypatch.chdir(tmp_path)
    words = ["new", "person-to-x", "--dataset", BANK.dataset, "--recipient", "land-office"]
    made = CliRunner().invoke(agreement, words)
    assert made.exit_code == 0, made.output
    text = Path("person-to-x.yaml").read_text(encoding="utf-8")
    assert all(field["name"] in text for field in DATASETS[BANK.dataset].schema["fields"])
    checked = CliRunner().invoke(agreement, ["check", "person-to-x.yaml"])
    assert checked.exit_code == 1
    assert "error yaml:" not in checked.output
    assert CliRunner().invoke(agreement, words).exit_code != 0, "a text must not be written over"


def test_a_purpose_in_one_language() -> None:
    """Of a key that has keys of its own only the part that changed is told, as the file has it."""
    purpose = BANK.purpose.model_copy(update={"text": {**BANK.purpose.text, "vi": "Việc khác"}})
    found = [one.sentence("vi") for one in differences(BANK, BANK.model_copy(update={"purpose": purpose}), ())]
    assert f"purpose.vi: {BANK.purpose.text['vi']} → Việc khác" in found
    assert not any("purpose.en" in one or "purpose.code" in one for one in found)
