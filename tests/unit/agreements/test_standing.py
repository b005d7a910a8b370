"""Where an agreement stands on the bus, told beside its file; and what is told where no bus answers."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bus.agreements.document import AgreementDocument, revision
from bus.agreements.finding import LANGUAGES
from bus.agreements.moments import midnight_ms
from bus.cli import cli
from bus.cli.standing import Place, Text, place_of
from bus.model.fact import FactKind
from bus.register.life import Action
from bus.register.steps import Ground, activation, drafting, of_operator, step
from tests.country import AGREEMENTS
from tests.unit.register.book import BOSS, DESK, OPERATOR, POLICE, Book, peopled

TAX = next(one for one in AGREEMENTS if one.id == "person-to-tax")
LONGER = TAX.model_copy(update={"retention": "P6Y"})
OLD, NEW = revision(TAX), revision(LONGER)


def where(book: Book, text: AgreementDocument) -> str:
    return place_of(book.state, text, book.now_ms).sentence("en")


def handed_in(book: Book, text: AgreementDocument) -> None:
    book.sign(*drafting(text, DESK, "a wish"))


def test_a_whole_life_as_the_list_tells_it() -> None:
    """From a text that nobody handed in to the end: each time the stage, the text in force and what the file is."""
    book = peopled()
    assert where(book, TAX) == "not handed in: a text of this file alone"
    handed_in(book, TAX)
    assert where(book, TAX) == f"in review (text {OLD}); the file has the proposed text"
    book.sign(step(TAX.id, Action.APPROVED, POLICE, "right"))
    holder = POLICE.public.holder
    approved = f"approved by the registry's side ({holder}) (text {OLD})"
    assert where(book, TAX) == f"{approved}; the file has the proposed text"
    assert where(book, LONGER) == f"{approved}; the file's text is another"
    book.sign(step(TAX.id, Action.APPROVED, BOSS, "right"))
    book.sign(activation(TAX, Ground("t.agency.tax-authority.person-to-tax.v1", 7), "CONSENT", OPERATOR, "both agreed"))
    assert where(book, TAX) == f"active (text {OLD}); the file has the same text"
    assert where(book, LONGER) == f"active (text {OLD}); the file's text is another"
    handed_in(book, LONGER)
    assert where(book, LONGER) == f"active (text {OLD}); in review (text {NEW}); the file has the proposed text"
    assert where(book, TAX) == f"active (text {OLD}); in review (text {NEW}); the file has the same text"
    book.sign(of_operator(FactKind.ROUTE, TAX.id, "paused", OPERATOR, "a look"))
    assert where(book, TAX).startswith(f"active, held up by the operator (text {OLD}); ")
    book.sign(step(TAX.id, Action.SUSPENDED, POLICE, "a question"))
    assert where(book, TAX).startswith(f"suspended (text {OLD}); ")
    book.sign(step(TAX.id, Action.ENDED, OPERATOR, "over"))
    assert where(book, TAX) == f"ended (text {OLD}); the file has the same text"


def test_beyond_its_days() -> None:
    """Nobody reads of an agreement whose last day has passed, or whose first has not come, that it is active."""
    book = peopled()
    book.life(TAX)
    for year, said in ((2020, "agreed; its first day has not come"), (2099, "over: its last day has passed")):
        book.now_ms = midnight_ms(TAX.valid.from_.replace(year=year), TAX.timezone)
        assert where(book, TAX) == f"{said} (text {OLD}); the file has the same text"


def test_for_programs() -> None:
    """As JSON the same stands in codes: who approved for which side, and what the file's text is to the register."""
    book = peopled()
    handed_in(book, TAX)
    book.sign(step(TAX.id, Action.APPROVED, POLICE, "right"))
    told = json.loads(json.dumps(place_of(book.state, TAX, book.now_ms).as_json()))
    proposal = {
        "revision": OLD,
        "stage": "approved-by-registry",
        "approvals": {"registry": POLICE.public.holder},
    }
    assert told == {"standing": None, "revision": None, "proposal": proposal, "text": "proposed"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", Text)
@pytest.mark.parametrize("standing", [None, "active", "paused", "suspended", "ended"])
def test_every_place_has_words(standing: str | None, text: Text, language: str) -> None:
    """Whatever the register says has its words in each language."""
    assert Place(standing, "r", None, None, {}, text).sentence(language)


@pytest.mark.parametrize(("language", "told"), [("en", "no bus answers ("), ("vi", "không có trục dữ liệu nào")])
@pytest.mark.parametrize("kafka", ["", "127.0.0.1:1"])
def test_without_a_bus(language: str, told: str, kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none runs, `list` and `show` work from the files, say so in one line, and make nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BUS_KAFKA", kafka)
    monkeypatch.setenv("BUS_SCHEMA_REGISTRY", "http://127.0.0.1:2" if kafka else "")
    for words in (["list"], ["show", TAX.id]):
        answer = CliRunner().invoke(cli, ["agreement", *words, "--lang", language])
        assert answer.exit_code == 0, answer.output
        (line,) = answer.stderr.splitlines()
        assert line.startswith(told)
        assert TAX.id in answer.stdout
        listed = json.loads(CliRunner().invoke(cli, ["agreement", *words, "--json"]).stdout)
        assert all(one["bus"] is None for one in (listed if isinstance(listed, list) else [listed]))
    if not kafka:
        assert list(tmp_path.iterdir()) == []
