"""What an integrator reads where something is wrong: place, reason and what to do next; no secret, no traceback."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy
from click.testing import CliRunner, Result

from bus import cli
from bus.connect.manifest import load_manifest
from bus.errors import BusError, ManifestWrong, NoSuchFlow
from bus.subscribe import subscribe

MANIFEST = """\
name: lib
registry: lib
kind: files
files:
  operation_column: op
  deleted: [D]
datasets:
  lib.right:
    origin: right
    fields:
      id: ma
"""
SOURCE = """\
from pathlib import Path
from bus.connect import FilesSource, load_manifest

class Source(FilesSource):
    manifest = load_manifest(Path(__file__).with_name("manifest.yaml"))
"""
SCHEMA = {
    "type": "record", "name": "Right", "namespace": "lib", "doc": "A right.", "registry": "lib", "dataset": "right",
    "subject": None, "record_id": ["id"],
    "fields": [{"name": "id", "type": "string", "doc": "Its id.", "category": "public"}],
}  # fmt: skip

MANIFESTS = {
    "kind: files": ("kind: file", "line 3, kind: must be postgres, feed, files or sql"),
    "operation_column": (
        "operation_colum",
        "files.operation_colum: there is no such key; is `operation_column`",
    ),
    "name: lib": ("name: Lib X", "line 1, name: must be lower-case letters, digits and hyphens, a letter first"),
    "kind: files\n": ("", "line 1, kind: is missing"),
    "registry: lib\n": ("registry: [lib\n", "line 3: expected"),
    "files:\n": ("name: again\nfiles:\n", 'line 4: found duplicate key "name"'),
    "id: ma": ("id: [ma]", "line 11, datasets.lib.right.fields.id: must be a mapping or text"),
    ": ma": (": {column: ma, codes: 3}", "line 11, datasets.lib.right.fields.id.codes: must be a mapping"),
    "ma\n": ("{column: ma, constant: 3}\n", "id: needs exactly one of column, constant and fields"),
    " ma\n": (" {constant: 3, trim: true}\n", "datasets.lib.right.fields.id: trim goes with a column"),
    "    id: ma": (
        '    id: {column: ma, id: {pattern: "[0-9"}}',
        "id: the pattern is no regular expression: unterminated",
    ),
    "     id: ma": ("     id: {column: ma, id: {}}", "fields.id.id: needs one of drop, case, pad and pattern"),
    "   id: ma\n": ("   id: {column: ma, valid_at: ngay}\n", "fields.id: valid_at and as_of go with units"),
    "right\n    fields:\n      id: ma\n": (
        "right\n    fields:\n      id: {column: ma, units: gone.csv}\n",
        "line 11, datasets.lib.right.fields.id.units: gone.csv cannot be read (No such file or directory)",
    ),
    "id: ma\n": ("id: {column: ma, trim: both}\n", "fields.id.trim: must be"),
    "origin: right": ("origin: right\n    page_rows: 3", "line 10, datasets.lib.right.page_rows: this key does not"),
    "lib.right": ("other.right", "the dataset other.right is not of the registry lib"),
    "      id: ma\n": (
        "      id: ma\n  lib.other:\n    origin: right\n    fields: {id: ma}\n",
        "lib.right and lib.other have one origin, right: what changes in it would be told of one of them alone",
    ),
    "deleted: [D]": ("deleted: []\n  may_lose_percent: 200", "files.may_lose_percent: must be at most 100"),
    MANIFEST: ("only words", "it is no mapping of keys"),
}
"""A text of the manifest → another in its place, and what must be told of it."""


@pytest.mark.parametrize("found", MANIFESTS)
def test_a_wrong_manifest_is_told_with_line_and_key(found: str, tmp_path: Path) -> None:
    """Whatever is wrong in a manifest is told with the file, the line, the key and the reason, in words of people."""
    put, told = MANIFESTS[found]
    (tmp_path / "manifest.yaml").write_text(MANIFEST.replace(found, put, 1))
    with pytest.raises(ManifestWrong) as raised:
        load_manifest(tmp_path / "manifest.yaml")
    text = str(raised.value)
    assert str(tmp_path / "manifest.yaml") in text
    assert told in text
    assert not any(word in text for word in ("Input should", "function-after", "Extra inputs", "https://"))


def test_a_manifest_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A manifest that is not there, or is in another encoding, is told as that."""
    with pytest.raises(ManifestWrong, match="No such file"):
        load_manifest(tmp_path / "manifest.yaml")
    (tmp_path / "manifest.yaml").write_bytes(b"name: l\xff\n")
    with pytest.raises(ManifestWrong, match="not written in UTF-8"):
        load_manifest(tmp_path / "manifest.yaml")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a connector that is right, `lib`, in the folder where one works."""
    monkeypatch.setenv("BUS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "lib"
    (made / "schemas" / "lib").mkdir(parents=True)
    (made / "manifest.yaml").write_text(MANIFEST)
    (made / "source.py").write_text(SOURCE)
    (made / "schemas" / "lib" / "right.avsc").write_text(json.dumps(SCHEMA))
    (tmp_path / "drops").mkdir()
    (tmp_path / "drops" / "right-full-1.csv").write_text("ma,gia\n1,2\n")
    settings(tmp_path, json.dumps({"folder": str(tmp_path / "drops")}))
    return made


def settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "home" / "connectors").mkdir(parents=True, exist_ok=True)
    (tmp_path / "home" / "connectors" / "lib.json").write_text(text)


def bus(*words: str) -> Result:
    """Run a command of `bus connector`."""
    return CliRunner().invoke(cli.cli, ["connector", *words])


def told(*words: str) -> tuple[str, str]:
    """The two lines of a command that is refused."""
    error = bus(*words).exception
    assert isinstance(error, BusError), error
    return error.lines


def test_a_table_of_units_that_is_wrong_is_told_by_check(folder: Path) -> None:
    """The check must name the manifest's line, the table and its line."""
    (folder / "manifest.yaml").write_text(MANIFEST.replace(": ma", ": {column: ma, units: tinh.csv}"))
    (folder / "tinh.csv").write_text("code,valid_from,valid_until,became\n02,,2025-07-01,08\n")
    what, _ = told("check", "./lib")
    assert "line 11, datasets.lib.right.fields.id.units: tinh.csv, line 2: there is no unit 08 on 2025-07-01" in what
    (folder / "tinh.csv").write_text("code,valid_from,valid_until,became\n02,,2025-07-01,08\n08,,,\n")
    assert "the manifest fills its schema" in bus("check", "./lib").output


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{broken", "is no JSON from line 1 on"),
        ('["secret"]', "is no JSON object"),
        ('{"token": "secret",\n', "is no JSON from line 2 on"),
    ],
)
def test_broken_settings_are_told_with_their_file(folder: Path, tmp_path: Path, text: str, reason: str) -> None:
    """A file of settings that is no JSON object is told with its whole path, and nothing of it is repeated."""
    settings(tmp_path, text)
    for command in ("check", "test", "run"):
        error, remedy = told(command, "lib/")
        assert f"{tmp_path}/home/connectors/lib.json {reason}" in error
        assert "secret" not in error
        assert "bus connector spec lib" in remedy


def test_settings_that_are_not_there_are_told(folder: Path, tmp_path: Path) -> None:
    """Without a file of settings, `check` names each that is missing, and `test` the file."""
    (tmp_path / "home" / "connectors" / "lib.json").unlink()
    assert "the setting folder is missing" in bus("check", "lib/").output
    assert "connectors/lib.json is not there" in told("test", "lib/")[0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("def (", "source.py, line 6: invalid syntax"),
        ("import nothing_here", "source.py, line 6: ModuleNotFoundError: No module named 'nothing_here'"),
        ("int('secret')", "source.py, line 6: ValueError"),
    ],
)
def test_code_that_fails_is_told_with_its_line(folder: Path, line: str, reason: str) -> None:
    """A source that cannot be loaded is told with file and line, without a text that may quote a value."""
    (folder / "source.py").write_text(SOURCE + line)
    error, _ = told("spec", "lib/")
    assert error == f"error: lib is no connector: {reason}"


def test_a_source_that_fails_is_told_with_its_line(folder: Path) -> None:
    """Where the integrator's own code raises while it is checked or tested, its line is told, and no value."""
    own = '\n    async def head(self):\n        return int("secret")\n'
    (folder / "source.py").write_text(SOURCE + own)
    for command in ("check", "test"):
        answer = bus(command, "lib/")
        assert answer.exit_code != 0
        assert "source.py, line 8: ValueError" in answer.output
        assert "secret" not in answer.output


def test_a_folder_that_went_is_told(folder: Path) -> None:
    """A folder that is not there, and a name that nobody knows, are told with what to write instead."""
    assert "there is no such folder" in told("check", "./elsewhere")[0]
    error, remedy = told("check", "elsewhere")
    assert error == "error: there is no connector named elsewhere here"
    assert "./elsewhere" in remedy


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "it is not there, and the manifest names it"),
        ("{", "is no JSON from line 1, column 2 on"),
        (json.dumps(SCHEMA | {"dataset": "other"}), "it declares lib.other, and must then be lib/other.avsc"),
    ],
)
def test_a_wrong_schema_is_told_with_its_file(folder: Path, text: str | None, reason: str) -> None:
    """A schema that is missing, broken or elsewhere is told with its path and the reason."""
    file = folder / "schemas" / "lib" / "right.avsc"
    file.unlink()
    if text is not None:
        file.write_text(text)
    error, _ = told("test", "lib/")
    assert "lib/schemas/lib/right.avsc" in error
    assert reason in error


NEW = {
    ("Foo Bar",): "“Foo Bar” cannot be the name of a connector",
    ("foo", "--registry", "Lib-x"): "“Lib-x” cannot be the name of a registry",
    ("foo", "--drops", "nowhere"): "the folder nowhere cannot be read (No such file or directory)",
    ("foo", "--drops", "lib"): "the folder lib holds no full export",
    ("foo", "--drops", "broken"): "broken/a-full-1.json is no table: it is no JSON from line 2 on",
    ("foo", "--table", "other"): "there is no full export named other",
    ("foo", "--key", "mma"): "there is no column named mma",
    ("foo", "--subject", "mma"): "there is no column named mma",
    ("foo", "--folder", "lib"): "lib is not empty",
    ("tax",): "there is a connector tax already, installed here",
    ("lib", "--folder", "other"): "there is a connector lib already, in lib",
}


@pytest.mark.parametrize("words", NEW, ids=" ".join)
def test_new_says_what_is_wrong(folder: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    """What `new` cannot do is told with the name, file or column that it is about; nothing is written, nothing lost."""
    assert bus("spec", "lib/").exit_code == 0  # from now on this home remembers it
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a-full-1.json").write_text('[{"a":\n')
    kept = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    given = () if "--drops" in words else ("--drops", "drops")
    error, remedy = told("new", *words, "--kind", "files", *given)
    assert NEW[words] in error.replace(f"{tmp_path}/", "")  # the whole name of a folder is told
    assert remedy.removeprefix("remedy: ")
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == kept


def test_a_database_file_that_is_not_there_fails_the_check(folder: Path, tmp_path: Path) -> None:
    """A source asked by queries is connected to, and its tables and columns looked for, before it is called good."""
    base = tmp_path / "x.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{base}")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table a (id int primary key)"))
    engine.dispose()
    assert bus("new", "sqly", "--kind", "sql", "--url", f"sqlite:///{base}").exit_code == 0
    text = (tmp_path / "sqly" / "manifest.yaml").read_text()
    (tmp_path / "sqly" / "manifest.yaml").write_text(text.replace("key: [id]", "key: [idx]"))
    answer = bus("check", "sqly")
    assert answer.exit_code == 2
    assert "a has no column idx" in answer.output
    (tmp_path / "home" / "connectors" / "sqly.json").write_text('{"url": "sqlite:////nowhere/x.db"}')
    answer = bus("check", "sqly")
    assert answer.exit_code == 2
    assert "unable to open database file" in answer.output


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("nonsense",), "the url is none of SQLAlchemy"),
        (("nosuch://u:hidden@h/x",), "SQLAlchemy knows no dialect nosuch"),
        (("mysql+nodriver://u:hidden@h/x",), "SQLAlchemy knows no dialect mysql+nodriver"),
        (("sqlite:////nowhere/x.db",), "sqlite:////nowhere/x.db: unable to open database file"),
        (
            ("postgresql+psycopg://u:hidden@127.0.0.1:1/x",),
            "postgresql+psycopg://u:***@127.0.0.1:1/x: connection",
        ),
    ],
)
def test_a_database_that_cannot_be_asked_is_told(folder: Path, words: tuple[str, ...], reason: str) -> None:
    """An address of SQLAlchemy that leads nowhere is told with its reason, and its password never."""
    error, remedy = told("new", "foo", "--kind", "sql", "--url", *words)
    assert reason in error
    assert "hidden" not in error + remedy


def test_a_feed_with_client_credentials_is_asked_with_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`new` of a feed takes what OAuth 2 needs in the place of a token, asks for the secret, and shows it nowhere."""
    seen: list[httpx.Request] = []

    async def answer(_: Any, request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "t-1"})
        if request.headers.get("authorization") != "Bearer t-1":
            return httpx.Response(403)
        return httpx.Response(200, json={"records": [{"id": "1"}], "next_key": None, "head": 1})

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", answer)
    words = ["new", "web", "--kind", "feed", "--url", "http://feed.test", "--table", "a=/a", "--client-id", "c"]
    asked = [*words, "--token-url", "http://login.test/token"]
    made = CliRunner().invoke(cli.cli, ["connector", *asked], input="hidden\n")
    assert made.exit_code == 0, made.output
    assert [one.url.path for one in seen] == ["/token", "/a"]
    kept = json.loads((tmp_path / "home" / "connectors" / "web.json").read_text())
    assert kept["client_secret"] == "hidden"
    assert "token" not in kept
    assert "hidden" not in made.output
    error, remedy = told("new", "other", *words[2:], "--token", "wrong")
    assert "http://feed.test/a answers HTTP 403" in error
    assert "Check the token" in remedy


@pytest.mark.parametrize("command", ["run", "tail"])
def test_a_connector_that_nobody_registered_is_told(folder: Path, command: str) -> None:
    """Without a Kafka user a connector neither runs nor is shown, and the command that mends it is named."""
    error, remedy = told(command, "lib/")
    assert error == "error: connector lib is not registered with this bus"
    assert "`bus connector register lib`" in remedy


def test_a_file_that_cannot_be_written_is_no_traceback(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report or a folder that cannot be written is told with its path."""
    words = ["bus", "connector", "test", "lib/", "--html", "/nowhere/report.html"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 2
    assert "error: /nowhere/report.html cannot be used (No such file or directory)" in capsys.readouterr().err


def test_code_that_fails_while_it_runs_is_told_with_its_line(folder: Path) -> None:
    """Where the integrator's own code ends a connector that runs, its line is told, and no value."""
    own = "\n    def __init__(self, place):\n        int('secret')\n"
    (folder / "source.py").write_text(SOURCE + own)
    assert bus("spec", "lib/").exit_code == 0
    error, remedy = told("run", "lib")
    assert error == "error: the source of connector lib fails with source.py, line 8: ValueError"
    assert "bus connector test lib" in remedy


async def test_a_recipient_that_is_none_is_told_at_once(folder: Path) -> None:
    """A program that subscribes for an agency that this home does not know is told so before a broker is asked."""
    with pytest.raises(NoSuchFlow, match="nobody may read no topic of any agreement"):
        async with subscribe("nobody", group="copy"):
            pass
