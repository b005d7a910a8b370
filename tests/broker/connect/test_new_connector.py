"""From a database that nobody prepared to a connector's folder: new, discover, spec, check."""

import json
import stat
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openpyxl
import psycopg
import pytest
import sqlalchemy
from click.testing import CliRunner, Result

from bus.avro.datasets import load_datasets
from bus.cli import cli
from bus.connect.folder import load_folder
from bus.connect.mapping import Mapper
from bus.connect.place import Place
from bus.connect.process import make_source
from bus.connect.propose import confirmed
from bus.errors import SourceUnreachable, WrongUse
from bus.settings import Settings

SHOP = """
create table member (
  id bigint primary key, personal_id text not null, full_name text not null, blood_group text, born date,
  joined timestamp not null default now(), seen timestamptz, balance numeric(12,2), tags text[], extra jsonb,
  "Điện thoại" varchar(20), ward char(6));
comment on column member.full_name is 'Name as on the card.';
create table visit (member_id bigint, day date, note uuid, primary key (member_id, day));
create table loose (x int);
insert into member values (1, 'P1', 'Nguyễn Văn An', 'O', '1990-02-03', '2024-01-01 10:00', now(), 12.50,
  '{a,"b c"}', '{"deep": 1}', '0901', '017');
insert into visit values (1, '2024-05-06', null);
"""


@pytest.fixture
def shop(database: str) -> str:
    """A database that knows nothing of a bus."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SHOP)
    return database


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty BUS_HOME."""
    monkeypatch.setenv("BUS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def bus(*words: str | Path, given: str = "") -> Result:
    """Run a command of `bus`."""
    return CliRunner().invoke(cli, [str(word) for word in ("connector", *words)], input=given)


@pytest.fixture
def written(shop: str, home: Path, tmp_path: Path) -> Path:
    """The folder that `bus connector new` has made of the database."""
    folder = tmp_path / "shop"
    answer = bus("new", "shop", "--kind", "postgres", "--dsn", shop, "--folder", folder)
    assert answer.exit_code == 0, answer.output
    return folder


def test_a_new_folder_is_a_whole_connector(written: Path, home: Path, shop: str) -> None:
    """What `new` writes must load, its schemas must be sound, and its settings lie in the home, for its owner alone."""
    manifest = load_folder(written).manifest
    assert list(manifest.datasets) == ["shop.member", "shop.visit"]
    datasets = load_datasets(written / "schemas")
    for name, rule in manifest.datasets.items():
        Mapper(datasets[name], rule, "shop")
    file = home / "connectors" / "shop.json"
    assert json.loads(file.read_text()) == {"dsn": shop}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert shop.encode() not in b"".join(path.read_bytes() for path in written.rglob("*") if path.is_file())
    assert isinstance(make_source("shop", Settings())[0], load_folder(written).__mro__[1])


def test_types_and_guesses_follow_the_columns(written: Path) -> None:
    """Each column must get the Avro type of its own, each guess its mark, and a nested column a word about itself."""
    member = load_datasets(written / "schemas")["shop.member"]
    types = {field.name: field.type for field in member.fields}
    assert types["born"] == {"type": "int", "logicalType": "date"}
    assert types["joined"] == {"type": "long", "logicalType": "timestamp-millis"}
    assert types["tags"] == {"type": "array", "items": "string"}
    assert types["balance"] == "string"
    assert types["dien_thoai"] == "string"
    assert "extra" not in types
    assert member.subject == "personal_id"
    marks = {one["name"]: one.get("to_confirm", "") for one in member.schema["fields"]}
    assert "blood" in marks["blood_group"]
    assert member.field("blood_group").category == "sensitive"  # type: ignore[union-attr] # it is there
    assert member.field("full_name").doc == "Name as on the card."  # type: ignore[union-attr] # it is there
    assert "subject" in member.schema["to_confirm"]
    assert "to_confirm" not in json.dumps(confirmed(member.schema))
    assert "extra is left out" in (written / "manifest.yaml").read_text()


async def test_what_was_written_publishes_the_rows(written: Path, shop: str) -> None:
    """A row of the database, read by the written connector, must become a record that its schema takes."""
    from bus.connect.publish import Contract  # noqa: PLC0415 - only here

    with psycopg.connect(shop, autocommit=True) as connection:
        for table in ("member", "visit"):
            connection.execute(f"alter table {table} replica identity full")
    found = load_folder(written)
    source = found(Place("shop", "", {"dsn": shop}))
    await source.open(None)
    try:
        for name, dataset in load_datasets(written / "schemas").items():
            contract = Contract.of(Mapper(dataset, found.manifest.datasets[name], "shop"), 1)
            (row,) = (await source.chunk(name, None, 10)).rows
            assert contract.value(row)
            if name == "shop.member":
                assert row["ward"] == "017   "
                assert contract.mapper.record(row)["ward"] == "017"
            assert contract.mapper.key(row).record_id in {"1", "1-19849"}
    finally:
        await source.close()
        await source.forget()
        await source.close()


def test_new_asks_for_what_was_not_said(shop: str, home: Path, tmp_path: Path) -> None:
    """Without options, kind and address must be asked for, and the address must not be shown."""
    answer = bus("new", "shop", "--folder", tmp_path / "asked", "--table", "visit", given=f"postgres\n{shop}\n")
    assert answer.exit_code == 0, answer.output
    assert shop not in answer.output
    assert list(load_folder(tmp_path / "asked").manifest.datasets) == ["shop.visit"]


def test_new_overwrites_nothing(written: Path, shop: str) -> None:
    """A folder that holds something must stay as it is."""
    before = (written / "manifest.yaml").read_text()
    assert bus("new", "shop", "--kind", "postgres", "--dsn", shop, "--folder", written).exit_code != 0
    assert (written / "manifest.yaml").read_text() == before


def test_discover_shows_what_could_be(shop: str, home: Path) -> None:
    """`discover` must print every readable table as a dataset, and say which ones cannot be one."""
    answer = bus("discover", "--kind", "postgres", "--dsn", shop, "--subject", "personal_id")
    found = json.loads(answer.stdout)
    assert [one["origin"] for one in found] == ["member", "visit"]
    assert "to_confirm" not in found[0]["schema"]
    assert "loose" in answer.stderr


def test_spec_tells_the_settings(written: Path) -> None:
    """`spec` must be a JSON Schema that requires the address and marks it as secret."""
    told = json.loads(bus("spec", written).stdout)
    assert told["required"] == ["dsn"]
    assert told["properties"]["dsn"]["writeOnly"] is True


def findings(*words: str | Path) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the findings of a check."""
    answer = bus("check", *words, "--json")
    return answer.exit_code, json.loads(answer.stdout)


def test_check_names_each_trouble_with_its_remedy(written: Path, shop: str) -> None:
    """A table without its old rows is an error with the statement that mends it; mended, only warnings are left."""
    code, found = findings("shop")
    assert code == 2
    remedies = [one["remedy"] for one in found if one["weight"] == "error"]
    assert remedies == [f"Run: alter table {table} replica identity full;" for table in ("member", "visit")]
    with psycopg.connect(shop, autocommit=True) as connection:
        for remedy in remedies:
            connection.execute(remedy.removeprefix("Run: "))
    code, found = findings("shop")
    assert code == 1
    assert all(one["remedy"] for one in found if one["weight"] != "good")
    assert any("guesses" in one["what"] for one in found)


def test_check_tells_of_a_user_without_rights(written: Path, shop: str, home: Path) -> None:
    """A user who may not replicate, read or own must be told each of these, and its password nowhere."""
    user = f"u{urlsplit(shop).path.strip('/')}"
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute(f"create role {user} login password 'hidden-word'")
    try:
        address = urlsplit(shop)
        own = address._replace(netloc=f"{user}:hidden-word@{address.hostname}:{address.port}").geturl()
        (home / "connectors" / "shop.json").write_text(json.dumps({"dsn": own}))
        code, found = findings("shop")
        told = " ".join(one["what"] for one in found if one["weight"] == "error")
        assert code == 2
        assert "may not replicate" in told
        assert "may not read member" in told
        assert "does not own" in told
        assert "hidden-word" not in json.dumps(found)
    finally:
        with psycopg.connect(shop, autocommit=True) as connection:
            connection.execute(f"drop role {user}")


@pytest.mark.parametrize(
    ("dsn", "told"),
    [
        ("postgresql://u:hidden-word@127.0.0.1:1/x", "cannot be reached"),
        ("postgresql//u:hidden-word@x", "malformed"),
        ("", "the setting dsn is missing"),
    ],
)
def test_check_of_a_wrong_address(written: Path, home: Path, dsn: str, told: str) -> None:
    """An address that leads nowhere, is malformed or missing must be an error in words, without its password."""
    (home / "connectors" / "shop.json").write_text(json.dumps({"dsn": dsn}))
    code, found = findings("shop")
    assert code == 2
    assert told in json.dumps(found)
    assert "hidden-word" not in json.dumps(found)


def test_a_folder_named_from_here_is_found_from_anywhere(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service runs in another folder than the one in which its connector was written."""
    (tmp_path / "drops").mkdir()
    (tmp_path / "drops" / "person-full-1.csv").write_text("so,ten\n1,An\n")
    monkeypatch.chdir(tmp_path)
    assert bus("new", "hoso", "--kind", "files", "--drops", "drops", "--folder", "hoso").exit_code == 0
    monkeypatch.chdir("/")
    assert "error" not in {one["weight"] for one in findings(tmp_path / "hoso")[1]}


def test_files_become_a_connector(home: Path, tmp_path: Path) -> None:
    """From a full export and a delta, `new` must find columns, key and the column that says what was deleted."""
    drops = tmp_path / "drops"
    drops.mkdir()
    (drops / "person-full-1.csv").write_text("so;ho ten\n1;An\n")
    (drops / "person-delta-2.csv").write_text("so;ho ten;thao_tac\n1;Anh;U\n")
    words = ("new", "hoso", "--kind", "files", "--drops", drops, "--folder", tmp_path / "hoso", "--subject", "so")
    answer = bus(*words)
    assert answer.exit_code == 0, answer.output
    manifest = load_folder(tmp_path / "hoso").manifest
    assert manifest.files.operation_column == "thao_tac"
    assert manifest.datasets["hoso.person"].rules()["ho_ten"].column == "ho ten"
    assert findings(tmp_path / "hoso")[0] == 1


def test_a_workbook_becomes_a_connector(home: Path, tmp_path: Path) -> None:
    """From an Excel export, `new` must find the columns, and what their cells hold; what the rows hold must fit."""
    drops = tmp_path / "drops"
    drops.mkdir()
    book = openpyxl.Workbook()
    for row in (("so", "Họ tên", "ngày sinh", "số dư", "hoạt động"), ("01", "An", date(1990, 2, 3), 5, True)):
        book.worksheets[0].append(row)
    book.save(drops / "person-full-1.xlsx")
    words = ("new", "hoso", "--kind", "files", "--drops", drops, "--folder", tmp_path / "hoso", "--subject", "so")
    answer = bus(*words)
    assert answer.exit_code == 0, answer.output
    person = load_datasets(tmp_path / "hoso" / "schemas")["hoso.person"]
    types = {field.name: field.type for field in person.fields}
    assert list(types) == ["so", "ho_ten", "ngay_sinh", "so_du", "hoat_dong"]
    assert (types["so_du"], types["hoat_dong"]) == ("long", "boolean")
    assert "to_confirm" in json.dumps(person.schema)
    code, found = findings(tmp_path / "hoso")
    assert (code, [one for one in found if one["weight"] == "error"]) == (1, [])
    answer = bus("test", tmp_path / "hoso")
    assert answer.exit_code == 0, answer.output
    assert "rows fit their schema: 1 rows fit" in answer.output


def test_a_database_that_is_not_there_is_not_made(home: Path, tmp_path: Path) -> None:
    """A misspelt name of a file is told, with the whole of it, and no empty database is left there."""
    answer = bus("new", "shop", "--kind", "sql", "--url", f"sqlite:///{tmp_path}/shpo.sqlite")
    assert answer.exit_code != 0
    assert isinstance(answer.exception, SourceUnreachable)
    assert f"sqlite:///{tmp_path}/shpo.sqlite: unable to open database file, for there is none" in str(answer.exception)
    assert not (tmp_path / "shpo.sqlite").exists()
    (tmp_path / "empty.sqlite").write_bytes(b"")
    answer = bus("new", "shop", "--kind", "sql", "--url", f"sqlite:///{tmp_path}/empty.sqlite")
    assert isinstance(answer.exception, WrongUse)
    assert "Is it the right database?" in answer.exception.how_to_mend


def test_a_column_of_a_workbook_that_holds_days_and_texts(home: Path, tmp_path: Path) -> None:
    """Where some cells are days and others texts, half of the rows would be dead letters: the manifest says so."""
    (tmp_path / "drops").mkdir()
    book = openpyxl.Workbook()
    for row in (("so", "sinh", "the"), ("01", date(1990, 2, 3), "1"), ("02", "03/02/1990", 2)):
        book.worksheets[0].append(row)
    book.save(tmp_path / "drops" / "person-full-1.xlsx")
    answer = bus("new", "hoso", "--kind", "files", "--drops", tmp_path / "drops", "--folder", tmp_path / "hoso")
    assert answer.exit_code == 0, answer.output
    text = (tmp_path / "hoso" / "manifest.yaml").read_text()
    assert "# to confirm: sinh is of several kinds" in text
    assert "the is of" not in text


def test_a_member_that_some_objects_leave_out(home: Path, tmp_path: Path) -> None:
    """Objects that leave out a member would be dead letters: the manifest says so, and takes a null for no column."""
    (tmp_path / "drops").mkdir()
    lines = ('{"so": "01", "tel": "1", "cha": {"so": "7"}}', '{"so": "02", "cha": null}')
    (tmp_path / "drops" / "person-full-1.jsonl").write_text("\n".join(lines) + "\n")
    answer = bus("new", "hoso", "--kind", "files", "--drops", tmp_path / "drops", "--folder", tmp_path / "hoso")
    assert answer.exit_code == 0, answer.output
    text = (tmp_path / "hoso" / "manifest.yaml").read_text()
    assert "# to confirm: tel is left out of some rows, which makes dead letters" in text
    assert "cha.so is" not in text
    assert "cha: cha" not in text
    answer = bus("test", tmp_path / "hoso")
    assert "field tel: the row has no such column" in answer.output


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_database_asked_by_queries_becomes_a_connector(
    request: pytest.FixtureRequest, home: Path, tmp_path: Path, dialect: str
) -> None:
    """Of any database, `new` must find tables, keys, types and a version; what it writes must pass its tests."""
    url = f"sqlite:///{tmp_path}/shop.sqlite"
    if dialect == "postgresql":
        url = request.getfixturevalue("database").replace("postgresql://", "postgresql+psycopg://")
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in (
            "create table member (id int primary key, personal_id text, born date, blood text, ward char(6))",
            "alter table member add updated_at timestamp",
            "create table loose (x int)",
            "insert into member values (1, 'P1', '1990-02-03', 'O', '017', '2024-01-01 10:00:00')",
            "insert into member values (2, 'P2', null, null, null, '2024-01-02 10:00:00')",
        ):
            connection.execute(sqlalchemy.text(statement))
    engine.dispose()
    answer = bus("new", "shop", "--kind", "sql", "--url", url, "--folder", tmp_path / "shop")
    assert answer.exit_code == 0, answer.output
    assert "left out: loose" in answer.output
    manifest = load_folder(tmp_path / "shop").manifest
    asked = manifest.sql.tables["shop.member"]
    assert (asked.key, asked.version) == (("id",), "updated_at")
    assert "      ward: {column: ward, trim: true}\n" in (tmp_path / "shop" / "manifest.yaml").read_text()
    member = load_datasets(tmp_path / "shop" / "schemas")["shop.member"]
    assert member.field("blood").category == "sensitive"  # type: ignore[union-attr] # it is there
    code, found = findings(tmp_path / "shop")
    assert (code, [one for one in found if one["weight"] == "error"]) == (1, [])
    assert any("clock" in one["what"] for one in found) is (dialect == "postgresql")
    answer = bus("test", tmp_path / "shop")
    assert answer.exit_code == 0, answer.output
    assert "rows fit their schema: 3 rows fit" in answer.output  # two, and the newest once more by its version


def test_a_folder_that_is_no_connector_is_told_so(tmp_path: Path, home: Path) -> None:
    """A folder without a manifest, and one whose source fails, must be refused with the reason."""
    assert "no manifest.yaml" in str(bus("check", tmp_path).exception)
    (tmp_path / "manifest.yaml").write_text(
        "name: x\nregistry: x\nkind: postgres\ndatasets: {x.y: {origin: y, fields: {a: b}}}"
    )
    (tmp_path / "source.py").write_text("import nothing_of_that_name")
    assert "ModuleNotFoundError" in str(bus("check", tmp_path).exception)
