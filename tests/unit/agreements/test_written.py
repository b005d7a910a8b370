"""A document becomes a text that people can read, check and preview before they approve it."""

import pytest

from bus.agreements.check import check
from bus.agreements.document import AgreementDocument, revision
from bus.agreements.written import as_written
from tests.country import AGREEMENTS
from tests.unit.agreements.ground import AGENCIES, BASES, DATASETS

ALL = {one.id: one for one in AGREEMENTS}
BANK = ALL["person-address-to-bank"]


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_written_text_reads_as_its_document(name: str) -> None:
    """A text that came through the register is found in order, examples included, and is the same revision."""
    again = AgreementDocument.model_validate(ALL[name].model_dump(mode="json", by_alias=True))
    found = check(as_written(again), DATASETS, AGENCIES, BASES)
    assert found.findings == ()
    assert found.document == ALL[name]


def test_a_text_is_written_as_the_guide_writes_one() -> None:
    """Languages stand beside the code of the purpose, a field is its name, a transform its argument."""
    text = as_written(BANK)
    assert "purpose:\n  code: customer-verification\n  en: Verifying" in text
    assert "\n- personal_id\n" in text
    assert "  as:\n    mask: 3\n" in text


@pytest.mark.parametrize(
    "said", ["no", "On", "0123", "1e3", "2026-01-01", "null", "! x: y # z", "a\n\nb", "“ế”\u00a0'"]
)
def test_no_value_turns_into_another(said: str) -> None:
    """What YAML would take for something else is quoted."""
    text = BANK.model_copy(update={"title": {"vi": said, "en": said}, "timezone": "UTC"})
    found = check(as_written(text), DATASETS, AGENCIES, BASES)
    assert [one.code for one in found.findings] == []
    assert found.document is not None
    assert revision(found.document) == revision(text)
