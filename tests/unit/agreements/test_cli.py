"""`bus agreement`, as policy staff call it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bus.cli.agreement import SECTIONS, agreement
from bus.errors import NotFound
from tests.unit.agreements.ground import HERE, ROOT, SEEDS

RECORD = """\
personal_id: "001090000017"
full_name: Nguyễn Văn An
birth_date: 1990-05-01
status: ALIVE
residence_province: "01"
"""
FILES = ("--schemas", str(ROOT / "schemas/changes"), "--agencies", str(ROOT / "seeds/agencies.yaml"))


def run(*words: str, lang: str = "en") -> Result:
    result = CliRunner().invoke(agreement, [*words, *FILES, "--lang", lang])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def record(tmp_path: Path) -> str:
    """A file with a record of a person."""
    file = tmp_path / "record.yaml"
    file.write_text(RECORD, encoding="utf-8")
    return str(file)


def test_check_of_sound_agreements() -> None:
    """A folder of sound agreements ends with exit code 0."""
    result = run("check", str(SEEDS))
    assert (result.exit_code, result.output) == (0, "16 of 16 agreements are fine\n")


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", "error unknown-key: `retension`: no such key; did you mean `retention`?"), ("vi", "lỗi unknown-key")],
)
def test_check_of_a_broken_agreement(lang: str, words: str) -> None:
    """A broken agreement ends with exit code 1, in the language that was asked for."""
    result = run("check", str(HERE / "broken" / "unknown-key.yaml"), lang=lang)
    assert result.exit_code == 1
    assert f"unknown-key.yaml:14:1: {words}" in result.output


def test_check_as_json() -> None:
    """The findings as JSON stand alone on stdout."""
    result = run("check", str(HERE / "broken" / "unknown-key.yaml"), "--json")
    (finding,) = json.loads(result.stdout)
    assert (finding["line"], finding["column"], finding["suggestion"]) == (14, 1, "retention")


def test_json_speaks_the_language_too() -> None:
    """For machines the code is the same in each language; the message is for people, in theirs."""
    english, vietnamese = (
        json.loads(run("check", str(HERE / "broken" / "unknown-key.yaml"), "--json", lang=one).stdout)[0]
        for one in ("en", "vi")
    )
    assert english.pop("message").startswith("`retension`: no such key")
    assert vietnamese.pop("message").startswith("`retension`: không có khóa này")
    assert english == vietnamese


def test_wrong_use() -> None:
    """A file that is not there, and an option that does not exist, are wrong use: exit code 2."""
    assert run("check", "nowhere.yaml").exit_code == 2
    assert run("check", "--nothing").exit_code == 2


def test_try_releases(record: str) -> None:
    """A trial shows each step and the view."""
    result = run("try", str(SEEDS / "person-to-tax.yaml"), "--record", record, "--at", "2026-03-01")
    assert result.exit_code == 0
    assert '✓ filter status == "ALIVE": true' in result.output
    assert result.output.rstrip().endswith('"birth_date": 1990, "residence_province": "01"}')


def test_try_withholds(record: str) -> None:
    """A trial names the reason, and judges on the day that was asked for."""
    words = ("try", str(SEEDS / "person-address-to-bank.yaml"), "--record", record)
    late = run(*words, "--at", "2035-01-01", "--json")
    assert json.loads(late.stdout)["withhold"] == "agreement-over"
    refused = run(*words, "--at", "2026-03-01", "--consent", "withdrawn")
    assert "withheld: consent-withdrawn. The person withdrew the consent." in refused.output


@pytest.mark.parametrize("language", ["en", "vi"])
def test_try_for_machines(record: str, language: str) -> None:
    """With --json each step has its code and its sentences in every language, whoever asks."""
    words = ("try", str(SEEDS / "person-to-tax.yaml"), "--record", record, "--at", "2026-03-01", "--json")
    steps = json.loads(run(*words, lang=language).stdout)["steps"]
    assert steps[2] == {
        "code": "by-law",
        "what": {"en": "consent", "vi": "sự đồng ý"},
        "found": {"en": "not needed: VN-PDPL-19.1.c", "vi": "không cần: VN-PDPL-19.1.c"},
        "passed": True,
    }
    assert all(set(one["what"]) == set(one["found"]) == {"en", "vi"} for one in steps)


@pytest.mark.parametrize(
    ("agreement", "given", "field"),
    [
        ("person-to-tax", {"personal_id": "1"}, "status"),
        ("residents-to-commune", {"status": "ALIVE", "temporary_residence": {}}, "temporary_residence.commune"),
    ],
)
def test_try_where_the_filter_cannot_say(agreement: str, given: dict[str, Any], field: str, tmp_path: Path) -> None:
    """A record that lacks a field of the filter is told with the field, in words, in each language."""
    file = tmp_path / "record.json"
    file.write_text(json.dumps(given), encoding="utf-8")
    answer = run("try", str(SEEDS / f"{agreement}.yaml"), "--record", str(file), "--at", "2026-03-01", "--json")
    told = json.loads(answer.stdout)
    assert (told["withhold"], told["steps"][-1]["code"]) == ("filter-error", "filter-error")
    assert told["steps"][-1]["found"] == {
        "en": f"could not be evaluated: the record lacks the field {field}, or holds it in another type",
        "vi": f"không tính được: bản ghi thiếu trường {field}, hoặc trường đó thuộc kiểu khác",
    }


def test_try_with_no_record(tmp_path: Path) -> None:
    """What is no record of the dataset is a finding at its place in the file, told without its value."""
    file = tmp_path / "record.yaml"
    file.write_text("birth_date: secret\n", encoding="utf-8")
    answer = run("try", str(SEEDS / "person-to-tax.yaml"), "--record", str(file))
    assert answer.exit_code == 1
    assert answer.output.endswith("record.yaml:1:13: error example-value: `birth_date` must be a date\n")
    assert "secret" not in answer.output


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("full_name An Secret\nstatus: ALIVE\n", "record.yaml:1:1: error yaml-colon: "),
        ("personal_id: 0199secret\nphone: 0199\nstatus: [\n", "record.yaml:3:9: error yaml-bracket: "),
        ("phone: 0912345678\n", "record.yaml:1:8: error yaml-number: "),
        ("full_name: !secret\n", "record.yaml:1:12: error yaml-tag: "),
    ],
)
def test_try_with_what_is_no_yaml(text: str, told: str, tmp_path: Path) -> None:
    """What keeps a record's file from being read is told with its place and the remedy, and nothing of the record."""
    file = tmp_path / "record.yaml"
    file.write_text(text, encoding="utf-8")
    answer = run("try", str(SEEDS / "person-to-tax.yaml"), "--record", str(file))
    assert answer.exit_code == 1
    assert told in answer.output
    assert not any(word in answer.output for word in ("ecret", "An ", "0912", "0199"))


def test_show() -> None:
    """An agreement is shown in plain words with its view."""
    result = run("show", str(SEEDS / "person-to-tax.yaml"))
    assert (
        "Tax Department receives personal number, full name, year of birth and province of residence" in result.output
    )
    assert "agency.tax_authority.PersonToTax" in result.output
    whole = json.loads(run("show", str(SEEDS / "person-to-tax.yaml"), "--json").stdout)
    assert whole["revision"] in result.output
    assert [field["name"] for field in whole["view"]["fields"]][:2] == ["personal_id", "full_name"]


def test_show_of_a_broken_agreement() -> None:
    """A broken agreement is not shown: its findings are, with exit code 1."""
    result = run("show", str(HERE / "broken" / "unknown-key.yaml"))
    assert (result.exit_code, "unknown-key" in result.output) == (1, True)


def test_an_agreement_that_is_not_there() -> None:
    """An unknown id is an error that lists those that exist."""
    with pytest.raises(NotFound, match="there is no agreement named nothing"):
        run("show", "nothing")


def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt file is no agreement that nobody knows: the files that lie in its folder are listed."""
    monkeypatch.chdir(tmp_path)
    Path("person-to-x.yaml").touch()
    with pytest.raises(NotFound, match="there is no file named person-to-y") as told:
        run("show", "person-to-y.yaml")
    assert told.value.how_to_mend == "Known: person-to-x.yaml."


def test_list() -> None:
    """The list shows each agreement with its dataset, recipient and ground, and the broken ones as such."""
    lines = run("list", str(SEEDS)).stdout.splitlines()
    assert len(lines) == 16
    assert any(line.split() == ["right-to-bank", "land.right", "→", "commercial-bank", "consent"] for line in lines)
    assert all("findings" in line for line in run("list", str(HERE / "broken")).stdout.splitlines())


def test_lint() -> None:
    """Lint tells what stands across agreements, and ends with exit code 1 when there is something to tell."""
    result = run("lint", str(SEEDS), "--at", "2034-12-15")
    assert result.exit_code == 1
    assert "warning expires-soon: it ends on 2034-12-31; days left: 16" in result.output
    refused = run("lint", "--at", "15/12/2034")
    assert "'15/12/2034' is not a date; a date is written YYYY-MM-DD." in refused.output
    assert "%" not in refused.output + run("lint", "--help").output


def test_ctrl_c_before_anything_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended before the first record, a preview says that it has nothing, and ends with 1 without a traceback."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bus.cli.preview._foresee", interrupted)
    answer = run("preview", str(SEEDS / "person-to-tax.yaml"))
    assert (answer.exit_code, answer.stdout.partition(":")[0]) == (1, "BROKEN OFF")


def test_every_command_stands_in_the_help() -> None:
    """The help lists each command once, under what people want to do."""
    listed = [name for _, names in SECTIONS for name in names]
    assert sorted(listed) == sorted(agreement.commands)
