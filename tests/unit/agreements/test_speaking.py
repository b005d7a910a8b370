"""`bus agreement` in the reader's language: help, wrong use, errors, reports."""

import ast
import json
import string
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from bus import errors
from bus.agreements.document import AgreementDocument
from bus.agreements.finding import LANGUAGES, words_of
from bus.agreements.rules import unfit
from bus.avro.client import _in_words
from bus.cli import cli
from bus.cli.agreement import SECTIONS, agreement
from bus.cli.key import key
from bus.cli.speaking import SpokenCommand, lines_of, translated
from bus.errors import (
    AgreementUnfit,
    BusError,
    EpochHeld,
    KafkaUnreachable,
    ReadersCannotFollow,
    SchemaRegistryUnreachable,
    WrongUse,
)
from bus.kafka.access import KafkaAccess
from bus.kafka.reach import unreachable
from bus.kafka.words import CLOSED, FORBIDDEN, LATE, NO_MECHANISM, NO_SASL, REFUSED, said
from bus.register.life import Action
from bus.watch.epochs import COPIES_HELD, NOT_FOLLOWED, NOT_PASSED
from tests.unit.agreements.ground import DATASETS, ROOT, SEEDS

VI = words_of("vi")
RAISING = (
    "bus/cli/agreement.py",
    "bus/cli/drafting.py",
    "bus/cli/ground.py",
    "bus/cli/key.py",
    "bus/cli/life.py",
    "bus/cli/preview.py",
    "bus/cli/publish.py",
    "bus/agreements",
    "bus/register",
    "bus/watch/effect.py",
    "bus/watch/epochs.py",
    "bus/route/foresight",
    "bus/avro/client.py",
    "bus/avro/datasets.py",
    "bus/kafka/log.py",
    "bus/kafka/bulk.py",
    "bus/platform/reach.py",
    "bus/platform/salts.py",
)
INNER = {"FieldMissing", "FilterError"}
"""Never leave a command: they are reasons to withhold."""


def run(*words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner(env=env).invoke(cli, ["agreement", *words])


@pytest.mark.parametrize("name", ["agreement", *agreement.commands])
def test_every_help_is_translated(name: str) -> None:
    """Each command and each option has its Vietnamese help, none is told of that is not there, and it reads so."""
    command = agreement if name == "agreement" else agreement.commands[name]
    assert isinstance(command, SpokenCommand | click.Group)
    spoken = translated(command, VI)
    options = {one.name for one in command.params if isinstance(one, click.Option)}
    assert set(VI["help"]["own-options"].get(name, {})) <= options
    told = run(*([] if name == "agreement" else [name]), "--help", "--lang", "vi")
    assert told.exit_code == 0
    assert told.output.startswith("Cách dùng: ")
    for english in ("Usage", "Options:", "Show this", "default:", "required"):
        assert english not in told.output
    flat = " ".join(told.output.split())
    for text in (str(spoken.help), *(str(one.help) for one in spoken.params if isinstance(one, click.Option))):
        assert " ".join(text.split()) in flat


def test_no_help_is_left_over() -> None:
    """The words tell of no command or heading that does not exist."""
    assert set(VI["help"]["commands"]) == {"agreement", *agreement.commands}
    assert set(VI["help"]["key"]["commands"]) == {"key", *key.commands}
    assert set(VI["help"]["headings"]) == {"Options", "Commands", *(title for title, _ in SECTIONS)}
    assert set(VI["steps"]) == {one.value for one in Action}


@pytest.mark.parametrize("name", ["key", *key.commands])
def test_every_help_on_keys_is_translated(name: str) -> None:
    """Policy staff begin with `bus key new`: each command of the group has its Vietnamese help, and no English."""
    command = key if name == "key" else key.commands[name]
    spoken = translated(command, VI)
    options = {one.name for one in command.params if isinstance(one, click.Option)}
    assert set(VI["help"]["key"]["own-options"].get(name, {})) <= options
    told = CliRunner().invoke(cli, ["key", *([] if name == "key" else [name]), "--help", "--lang", "vi"])
    assert told.exit_code == 0
    for english in ("Usage", "Options:", "Commands:", "Show this", "default:", "required"):
        assert english not in told.output
    flat = " ".join(told.output.split())
    for text in (str(spoken.help), *(str(one.help) for one in spoken.params if isinstance(one, click.Option))):
        assert " ".join(text.split()) in flat
    if name == "key":
        assert all(VI["help"]["key"]["commands"][one].partition(".")[0] in flat for one in key.commands)


def test_keys_in_vietnamese(tmp_path: Path) -> None:
    """An id that is taken, a file that holds no key and a word that is missing are told in the reader's language."""
    env = {"BUS_HOME": str(tmp_path / "home")}
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}", encoding="utf-8")
    words = ["key", "new", "desk", "--holder", "An", "--agency", "tax-authority", "--role", "recipient"]
    assert CliRunner(env=env).invoke(cli, words).exit_code == 0
    again = CliRunner(env=env).invoke(cli, [*words, "--lang", "vi"])
    assert str(again.exception).startswith("đã có khóa desk")
    empty = CliRunner(env=env).invoke(cli, ["key", "add", str(wrong), "--lang", "vi"])
    assert str(empty.exception).startswith(f"{wrong} không chứa khóa công khai")
    assert "thiếu '--holder'." in CliRunner(env=env).invoke(cli, ["key", "--lang", "vi", "new", "x"]).output


@pytest.mark.parametrize("words", [("--lang", "vi", "list", "--help"), ("list", "--lang=vi", "--help")])
def test_the_language_may_be_said_anywhere(words: tuple[str, ...]) -> None:
    """`--lang` counts before the command and behind it, and for `--help` that stands before it too."""
    assert run(*words).output.startswith("Cách dùng: ")


@pytest.mark.parametrize(("locale", "first"), [("vi_VN.UTF-8", "Cách dùng"), ("C.UTF-8", "Usage")])
def test_the_locale_decides_where_nothing_is_said(locale: str, first: str) -> None:
    """Without `--lang` the locale's language is spoken."""
    assert run("--help", env={"LC_ALL": locale}).output.startswith(first)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show",), "thiếu 'ID|FILE'."),
        (("suspend", "x"), "thiếu '--reason'."),
        (("lint", "--att"), "không có tùy chọn --att. Có phải ý bạn là --at?"),
        (("nothing",), "không có lệnh 'nothing'."),
        (("check", "nowhere"), "không có 'nowhere'."),
        (("lint", "--at", "x"), "'x' không phải ngày; ngày viết là YYYY-MM-DD."),
        (("preview", "x", "--sample", "0"), "0 nằm ngoài khoảng x>=1."),
        (("preview", "x", "--sample", "y"), "'y' không phải số nguyên."),
        (("show", "x", "y"), "thừa tham số: y."),
        (("show", "x", "--agencies"), "tùy chọn --agencies cần một giá trị."),
        (("try", "x", "--record", str(SEEDS)), "là thư mục, cần một tệp."),
        (("show", "x", "--schemas", str(SEEDS / "README.md")), "là tệp, cần một thư mục."),
        (("try", "x", "--record", str(SEEDS / "README.md"), "--consent", "x"), "'x' không nằm trong: 'expired'"),
    ],
)
def test_wrong_use_is_told_in_vietnamese(words: tuple[str, ...], told: str) -> None:
    """What click finds wrong is told in the reader's language, with the exit code of wrong use."""
    answer = run("--lang", "vi", *words)
    assert answer.exit_code == 2
    assert told in answer.output
    for english in ("Usage", "Error", "Try '"):
        assert english not in answer.output


def made_in(*places: str) -> set[str]:
    """The errors that the code of some places raises."""
    roots = [ROOT / place for place in places]
    files = [file for root in roots for file in ([root] if root.suffix else root.rglob("*.py"))]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    calls = [node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, BusError)}
    return kinds & set(calls)


def holes(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_error_of_these_commands_is_translated() -> None:
    """Whatever the commands raise has Vietnamese words with the same places to fill; wrong use has its own."""
    told: dict[str, Any] = VI["errors"]
    raised = made_in(*RAISING) - INNER - {"WrongUse", "RecordUnreadable"}
    assert raised - set(told) == set()
    for name in set(told) - {"labels", "kinds", "beginnings"}:
        kind: type[BusError] = getattr(errors, name)
        assert holes(told[name]["message"]) == holes(kind.message), name
        assert holes(told[name]["remedy"]) <= holes(kind.message) | holes(kind.remedy), name


def test_an_error_in_vietnamese() -> None:
    """An unknown agreement is told in the reader's language, and ends as wrong use."""
    answer = run("show", "nothing", "--lang", "vi")
    assert isinstance(answer.exception, BusError)
    assert answer.exception.exit_code == 2
    message, remedy = answer.exception.lines
    assert message == "lỗi: không có thỏa thuận nào tên nothing"
    assert remedy.startswith("cách xử lý: Đã biết: coverage-to-portal, ")
    assert lines_of(answer.exception, "en")[0] == "error: there is no agreement named nothing"


def test_a_view_that_readers_cannot_follow_in_vietnamese() -> None:
    """What programs could not follow, and what to write, is told in the reader's language, the field named."""
    error = ReadersCannotFollow(agreement="x", told="birth_date: int would be read as date (version 1)", major=2)
    message, remedy = lines_of(error, "vi")
    assert message.startswith("lỗi: chương trình của bên nhận không theo được văn bản mới của x (birth_date: ")
    assert all("`major: 2`" in line for line in (message, remedy))


@pytest.mark.parametrize(
    ("changes", "english", "vietnamese"),
    [
        ({"dataset": "test.other"}, "it is about test.other", "thỏa thuận này về test.other"),
        ({"timezone": "Nowhere"}, "`Nowhere` is not a time zone", "`Nowhere` không phải múi giờ"),
    ],
)
def test_why_a_text_does_not_fit_in_vietnamese(changes: dict[str, Any], english: str, vietnamese: str) -> None:
    """The rule that a text breaks is told in the reader's language too, within the refusal that it is the reason of."""
    text = YAML(typ="safe").load((SEEDS / "person-to-tax.yaml").read_text(encoding="utf-8"))
    document = AgreementDocument.model_validate(text | changes)
    error = AgreementUnfit(agreement=document.id, dataset="test", reason=unfit(document, DATASETS["population.person"]))
    assert str(error) == f"the agreement person-to-tax does not fit test: {english}"
    assert lines_of(error, "en")[0] == f"error: {error}"
    assert lines_of(error, "vi")[0] == f"lỗi: thỏa thuận person-to-tax không khớp với test: {vietnamese}"


def test_why_nothing_answers_in_vietnamese(tmp_path: Path) -> None:
    """Where no bus was started, that is told in the reader's language, the reason within the brackets included."""
    home = str(tmp_path / "home")
    answer = run("list", "--lang", "vi", env={"BUS_HOME": home, "BUS_KAFKA": ""})
    assert answer.stderr.startswith("không có trục dữ liệu nào trả lời (không có máy chủ Kafka nào trả lời tại ")
    assert f"(chưa khởi động máy chủ nào trong {home})" in answer.stderr


SAID_OF_KAFKA = (
    LATE,
    CLOSED,
    NO_SASL,
    NO_MECHANISM,
    FORBIDDEN,
    REFUSED,
    said(TimeoutError()),
    said(OSError()),
    str(unreachable(KafkaAccess("kafka:1"), TimeoutError()).details["reason"]),
    "it is starting in /",
)
SAID_OF_REGISTRY = (
    httpx.InvalidURL("x"),
    httpx.ReadTimeout("x"),
    httpx.ConnectError("CERTIFICATE_VERIFY_FAILED"),
    httpx.ConnectError("x"),
    OSError(),
)


@pytest.mark.parametrize(
    "error",
    [
        *(EpochHeld(recipient="x", epoch=1, reason=f"{one} 1,234") for one in (NOT_FOLLOWED, NOT_PASSED, COPIES_HELD)),
        *(KafkaUnreachable(bootstrap="x", reason=one) for one in SAID_OF_KAFKA),
        *(SchemaRegistryUnreachable(url="x", reason=_in_words(one)) for one in SAID_OF_REGISTRY),
    ],
    ids=lambda error: str(error.details["reason"])[:30],
)
def test_an_inner_reason_in_vietnamese(error: BusError) -> None:
    """Why a key must stay, and what the bus itself says of a Kafka that does not answer, is no English in brackets."""
    told, _ = lines_of(error, "vi")
    assert not set(told.split()) & {"it", "the", "no", "not", "of", "to", "by", "under", "answer", "reason", "yet"}
    assert ("1,234" in told) is ("1,234" in str(error))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("new", "Bad Name", "--dataset", "population.person", "--recipient", "tax-authority"), "bad-name"),
        (("new", "one"), "new-what"),
        (("new", "one", "--like", "person-to-tax", "--dataset", "population.person"), "like-dataset"),
        (("new", "one", "--dataset", "population.person", "--recipient", "public-security"), "not-a-recipient"),
        (("activate", "--reason", "x"), "activate"),
    ],
)
def test_misuse(
    words: tuple[str, ...], code: str, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a command cannot make sense of is told in the language, with what to do instead; nothing is written."""
    monkeypatch.chdir(tmp_path)
    answer = run(*words, "--lang", language)
    assert isinstance(answer.exception, WrongUse), answer.output
    expected = words_of(language)["misuse"][code]["what"].partition("{")[0]
    assert str(answer.exception).startswith(expected)
    assert list(tmp_path.iterdir()) == []


def test_reports_in_vietnamese(tmp_path: Path) -> None:
    """Checks, lists, lint, plain words and trials speak Vietnamese throughout."""
    record = tmp_path / "record.yaml"
    fields = {"personal_id": "001190000029", "status": "ALIVE", "residence_province": "01"}
    record.write_text(json.dumps({**fields, "full_name": "Bình", "birth_date": "1990-05-01"}), encoding="utf-8")
    tried = run("try", "person-to-tax", "--record", str(record), "--at", "2026-03-01", "--lang", "vi").output
    assert tried.splitlines()[:3] == [
        "✓ bắt đầu hiệu lực: 2026-01-01 đến 2035-12-31 (Asia/Ho_Chi_Minh); xét vào ngày 2026-03-01",
        "✓ hết hiệu lực: 2026-01-01 đến 2035-12-31 (Asia/Ho_Chi_Minh); xét vào ngày 2026-03-01",
        "✓ sự đồng ý: không cần: VN-PDPL-19.1.c",
    ]
    assert '✓ bộ lọc status == "ALIVE": đúng' in tried
    assert "được chuyển: {" in tried
    shown = run("show", "person-address-to-bank", "--lang", "vi").output
    assert "Được chuyển: đủ 18 tuổi hay chưa." in shown
    assert "chữ, có thể trống" in shown
    assert "16 trên 16 thỏa thuận không có lỗi" in run("check", "--lang", "vi").output
    assert "cảnh báo together" in run("lint", "--lang", "vi").output
    assert "sự đồng ý" in run("list", "--lang", "vi").output
