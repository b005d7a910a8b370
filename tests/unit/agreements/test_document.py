"""The document: how it travels, what its revision is, and when a revision asks for more."""

import json
from typing import Any

import pytest

from bus.agreements.check import check
from bus.agreements.document import AgreementDocument, Mark, canonical, revision
from bus.agreements.retention import duration_ms
from bus.agreements.widening import widens
from tests.unit.agreements.ground import AGENCIES, BASES, DATASETS, SEEDS

TEXT = (SEEDS / "person-address-to-bank.yaml").read_text(encoding="utf-8")


def read(text: str) -> AgreementDocument:
    result = check(text, DATASETS, AGENCIES, BASES)
    assert result.document is not None, [finding.render() for finding in result.findings]
    return result.document


def changed(old: str, new: str) -> AgreementDocument:
    assert old in TEXT
    return read(TEXT.replace(old, new))


DOCUMENT = read(TEXT)


def test_it_travels_as_json() -> None:
    """A document written as JSON and read back is the same, revision and all."""
    again = AgreementDocument.model_validate(json.loads(json.dumps(DOCUMENT.model_dump(mode="json"))))
    assert again == DOCUMENT
    assert revision(again) == revision(DOCUMENT)


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_every_seed_travels(path: Any) -> None:
    """Each agreement of the pretend country survives the journey through JSON."""
    document = read(path.read_text(encoding="utf-8"))
    assert AgreementDocument.model_validate_json(json.dumps(document.model_dump(mode="json"))) == document


SAME: list[tuple[str, str, str]] = [
    ("comments", "retention: P1Y", "retention: P1Y   # one year"),
    ("a default that is written out", "retention: P1Y", "retention: P1Y\non_end: erase"),
    ("spacing and quotes in the filter", 'status == "ALIVE" && has', "(status=='ALIVE')  &&  has"),
    ("the form of a field", "  - full_name\n", "  - {name: full_name}\n"),
    ("the order of keys", "retention: P1Y\nvalid: {from: 2026-01-01, until: 2034-12-31}",
     "valid: {until: 2034-12-31, from: 2026-01-01}\nretention: P1Y"),
    ("the contact", "retention: P1Y", "retention: P1Y\ncontact: a@b.example"),
    ("an example's note", "note: a customer who agreed", "note: someone"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "old", "new"), SAME, ids=[case[0] for case in SAME])
def test_what_is_no_new_revision(what: str, old: str, new: str) -> None:
    """Layout, comments and examples are no part of the meaning."""
    assert revision(changed(old, new)) == revision(DOCUMENT)


DIFFERENT: list[tuple[str, str, str, tuple[str, ...]]] = [
    ("an age on another day", "{age_over: 18}", "{age_over: 18, day: 2026-06-30}", ("fields",)),
    ("a field more", "  - full_name\n", "  - full_name\n  - {name: sex, called: s}\n", ("fields",)),
    ("a field less", "  - residence_province\n", "", ()),
    ("a field less hidden", "{mask: 3}", "{mask: 4}", ("fields",)),
    ("a field by another name", "called: is_adult", "called: of_age", ()),
    ("a narrower filter", "has(residence_commune)", 'has(residence_commune) && sex != "UNKNOWN"', ()),
    ("a wider filter", 'status == "ALIVE" && has', "has", ("filter",)),
    ("another filter", '"ALIVE"', '"MISSING"', ("filter",)),
    ("a longer retention", "retention: P1Y", "retention: P2Y", ("retention",)),
    ("a shorter retention", "retention: P1Y", "retention: P6M", ()),
    ("no retention", "retention: P1Y\n", "", ("retention",)),
    ("onward transfer", "retention: P1Y", "retention: P1Y\nonward_transfer: [tax-authority]", ("onward_transfer",)),
    ("no older than", "retention: P1Y", "retention: P1Y\ndata_range: {last: P2Y, by: updated_at}", ()),
    ("less often", "retention: P1Y", "retention: P1Y\nfrequency: weekly", ()),
    ("another purpose", "code: customer-verification", "code: marketing", ("purpose",)),
    ("a purpose in other words", "customers who open an account", "customers", ("purpose",)),
    ("another title", "Address check for the bank", "Address check", ()),
    ("a later end", "until: 2034-12-31", "until: 2035-12-31", ()),
]


@pytest.mark.parametrize(("what", "old", "new", "wider"), DIFFERENT, ids=[case[0] for case in DIFFERENT])
def test_what_is_a_new_revision(what: str, old: str, new: str, wider: tuple[str, ...]) -> None:
    """A change of meaning is a new revision, and it is told by which keys it asks for more."""
    text = TEXT.replace(old, new)
    document = read(_without_examples_that_fail(text))
    assert revision(document) != revision(DOCUMENT)
    assert widens(DOCUMENT, document) == wider


RANGE = "data_range: {last: P2Y, by: updated_at}"


@pytest.mark.parametrize(
    ("what", "old", "new", "wider"),
    [
        ("older records", RANGE, "data_range: {last: P3Y, by: updated_at}", ("data_range",)),
        ("younger records", RANGE, "data_range: {last: P1Y, by: updated_at}", ()),
        ("ages by another date", RANGE, "data_range: {last: P2Y, by: residence_since}", ("data_range",)),
        ("records of any age", RANGE, "", ("data_range",)),
        ("more often", "frequency: weekly", "frequency: daily", ("frequency",)),
        ("at once", "frequency: weekly", "", ("frequency",)),
        ("more rarely", "frequency: weekly", "frequency: monthly", ()),
    ],
)
def test_what_asks_for_older_or_quicker(what: str, old: str, new: str, wider: tuple[str, ...]) -> None:
    """Older records and quicker updates are more than people consented to; younger and rarer ones are not."""
    whole = TEXT.replace("retention: P1Y", f"retention: P1Y\n{RANGE}\nfrequency: weekly")
    before = read(_without_examples_that_fail(whole))
    after = read(_without_examples_that_fail(whole.replace(old, new)))
    assert widens(before, after) == wider, what


def _without_examples_that_fail(text: str) -> str:
    """The changed text with examples that fit it: what they are is no part of this test."""
    result = check(text, DATASETS, AGENCIES, BASES)
    if result.document is not None:
        return text
    codes = {finding.code for finding in result.findings}
    assert codes <= {"example-differs", "example-withheld"}, codes
    start = text.index("examples:")
    given = (
        'personal_id: "0", full_name: A, birth_date: 1990-05-01, residence_commune: "0", sex: MALE, phone: "0123456"'
        ', updated_at: "2026-01-01T00:00:00Z", residence_since: 2026-01-01'
    )
    status = "MISSING" if '"MISSING"' in text else "ALIVE"
    probe = f"{text[:start]}examples:\n  - given: {{{given}, status: {status}}}\n    expect: {{release: {{}}}}\n"
    (differs, *_) = [f for f in check(probe, DATASETS, AGENCIES, BASES).findings if f.code == "example-differs"]
    release = dict(differs.details)["got"]
    fitting = probe.replace("{release: {}}", f"{{release: {release}}}")
    return f'{fitting}  - given: {{personal_id: "0"}}\n    consent: none\n    expect: {{withhold: consent-missing}}\n'


@pytest.mark.parametrize("key", ["on_scope_exit", "on_end"])
def test_copies_that_stay(key: str) -> None:
    """Copies that stay with the recipient are more than copies that are erased, and not the other way round."""
    kept = DOCUMENT.model_copy(update={key: "keep"})
    assert (widens(DOCUMENT, kept), widens(kept, DOCUMENT), widens(kept, kept)) == ((key,), (), ())


@pytest.mark.parametrize("key", ["id", "dataset", "recipient", "identifier"])
def test_what_is_another_agreement(key: str) -> None:
    """What goes to another recipient, or of another dataset or kind of id, is never told to be narrower."""
    assert widens(DOCUMENT, DOCUMENT.model_copy(update={key: "another"})) == (key,)


def test_nothing_widens_itself() -> None:
    """A revision asks for no more than itself."""
    assert widens(DOCUMENT, DOCUMENT) == ()


def test_canonical_is_sorted_json() -> None:
    """The canonical form is JSON with sorted keys and without examples."""
    parsed = json.loads(canonical(DOCUMENT))
    assert list(parsed) == sorted(parsed)
    assert "examples" not in parsed


def test_every_key_is_marked() -> None:
    """Each key says whether it is enforced, an obligation of the recipient, or shown."""
    marks = {
        name: field.json_schema_extra["mark"]
        for name, field in AgreementDocument.model_fields.items()
        if isinstance(field.json_schema_extra, dict)
    }
    assert set(marks) == set(AgreementDocument.model_fields)
    obligations = {name for name, mark in marks.items() if mark == Mark.OBLIGATION}
    assert obligations == {"onward_transfer"}


@pytest.mark.parametrize(
    ("text", "length"),
    [("P1D", 1), ("P2W", 14), ("P6M", 180), ("P5Y", 1825), ("P1Y6M", 545), ("PT12H", 0.5), ("P1DT12H", 1.5)],
)
def test_durations(text: str, length: float) -> None:
    """A duration is never longer than meant: a year counts 365 days, a month 30."""
    assert duration_ms(text) == length * 86_400_000


@pytest.mark.parametrize("text", ["", "P", "PT", "5Y", "P5", "P-5Y", "P1.5Y", "PT5S", "p5y", "P5Y "])
def test_what_is_no_duration(text: str) -> None:
    """What is no duration is refused."""
    with pytest.raises(ValueError, match="not a duration"):
        duration_ms(text)
