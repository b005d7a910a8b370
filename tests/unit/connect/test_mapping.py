"""From rows to records: each kind of rule, and errors that name the column and no value."""

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from bus.avro.datasets import dataset_of
from bus.connect.folder import load_folder
from bus.connect.manifest import DatasetRule, SecretRule, full_rule
from bus.connect.mapping import Mapper, RowUnfit
from bus.connect.place import Place
from bus.connect.publish import Contract
from bus.errors import ManifestWrong
from bus.model.key import RecordKey


def mapped(kind: Any, rule: Any, row: dict[str, Any]) -> Any:
    """The value of one field `x` of that Avro type, made by that rule."""
    fields = [
        {"name": "id", "type": "string", "doc": "Id.", "category": "public"},
        {"name": "x", "type": kind, "doc": "X.", "category": "public"},
    ]
    head = {"type": "record", "name": "T", "namespace": "t", "doc": "T.", "registry": "t", "dataset": "t"}
    dataset = dataset_of({**head, "subject": None, "record_id": ["id"], "fields": fields}, place="test")
    given = DatasetRule.model_validate({"origin": "t", "fields": {"id": "id", "x": rule}})
    return Mapper(dataset, given, "manifest.yaml").record({"id": "1", **row})["x"]


DATE = {"type": "int", "logicalType": "date"}
TIME = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
NEVER = datetime.max.replace(tzinfo=UTC)
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}
PLACE = {
    "type": "record",
    "name": "Place",
    "doc": "P.",
    "fields": [
        {"name": "a", "type": "string", "doc": "A.", "category": "public"},
        {"name": "b", "type": ["null", DATE], "default": None, "doc": "B.", "category": "public"},
    ],
}
SPLIT = {"column": "c", "split": ",", "codes": {"r": "RED", "b": "BLUE"}}

LIST = {"type": "array", "items": "string"}
ID = {"column": "c", "id": {"drop": " .", "pad": 12, "pattern": "[0-9]{12}"}}
HANOI = {"column": "c", "time_zone": "Asia/Bangkok"}
BLANKS = {"column": "c", "trim": True}

GOOD = [
    ("text", "string", "c", {"c": "Hà Nội"}, "Hà Nội"),
    ("number as text", "string", "c", {"c": 7}, "7"),
    ("small number as text", "string", "c", {"c": Decimal("0.00000012")}, "0.00000012"),
    ("nothing with places as text", "string", "c", {"c": Decimal("0.00000000")}, "0.00000000"),
    ("number with an exponent as text", "string", "c", {"c": Decimal("1E+3")}, "1000"),
    ("number that nobody writes out", "string", "c", {"c": Decimal("1E+999999999")}, "1E+999999999"),
    ("text as number", "int", "c", {"c": "7"}, 7),
    ("whole decimal as number", "long", "c", {"c": Decimal("7.0")}, 7),
    ("decimal as double", "double", "c", {"c": Decimal("7.5")}, 7.5),
    ("boolean from text", "boolean", "c", {"c": "T"}, True),
    ("date", DATE, "c", {"c": date(1970, 1, 11)}, 10),
    ("ISO text as date", DATE, "c", {"c": "1970-01-11"}, 10),
    ("written date", DATE, {"column": "c", "date_format": "%d/%m/%Y"}, {"c": "11/01/1970"}, 10),
    ("day of a time", DATE, HANOI, {"c": datetime(1970, 1, 10, 17, tzinfo=UTC)}, 10),
    ("day of a time without an offset", DATE, HANOI, {"c": datetime(1970, 1, 11, 23)}, 10),  # noqa: DTZ001 - the case
    ("time", TIME, "c", {"c": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)}, 1000),
    ("time in the far future", MICROS, "c", {"c": datetime(3000, 1, 1, 0, 0, 0, 3, UTC)}, 32503680000000003),
    ("the last time of all", TIME, "c", {"c": NEVER}, 253402300799999),
    ("RFC 3339 text as time", TIME, "c", {"c": "1970-01-01T07:00:01.000+07:00"}, 1000),
    ("code", COLOUR, {"column": "c", "codes": {1: "RED", "02": "BLUE"}}, {"c": 1}, "RED"),
    ("code with a leading zero", COLOUR, {"column": "c", "codes": {1: "RED", "02": "BLUE"}}, {"c": "02"}, "BLUE"),
    ("array with codes", {"type": "array", "items": COLOUR}, SPLIT, {"c": "r, b"}, ["RED", "BLUE"]),
    ("empty text is absent", ["null", "string"], "c", {"c": ""}, None),
    ("empty text that is kept", "string", {"column": "c", "keep_empty": True}, {"c": ""}, ""),
    ("constant", "string", {"constant": "VN"}, {}, "VN"),
    ("nested", ["null", PLACE], {"fields": {"a": "p", "b": "q"}}, {"p": "x", "q": None}, {"a": "x", "b": None}),
    ("text between blanks", "string", {"column": "c", "trim": True}, {"c": "\u00a0 Hà  Nội\u3000\n"}, "Hà  Nội"),
    ("blanks between words", "string", {"column": "c", "trim": "inner"}, {"c": "\tHà \u00a0 Nội "}, "Hà Nội"),
    ("nothing but blanks", ["null", "string"], {"column": "c", "trim": True}, {"c": " \u00a0"}, None),
    ("blanks that are kept", "string", {"column": "c", "trim": True, "keep_empty": True}, {"c": "  "}, ""),
    ("blanks, and nobody trims", "string", "c", {"c": " a "}, " a "),
    ("code between blanks", COLOUR, {"column": "c", "trim": True, "codes": {"02": "BLUE"}}, {"c": "02  "}, "BLUE"),
    ("date between blanks", DATE, {"column": "c", "trim": True, "date_format": "%d/%m/%Y"}, {"c": "11/01/1970 "}, 10),
    ("number that is trimmed", "string", {"column": "c", "trim": True}, {"c": 7}, "7"),
    ("array of nothing", ["null", LIST], {"column": "c", "trim": True, "split": ","}, {"c": "  "}, None),
    ("array with an empty item", LIST, {"column": "c", "trim": True, "split": ","}, {"c": "a, "}, ["a", ""]),
    ("decomposed", "string", {"column": "c", "unicode": "NFC"}, {"c": "Ha\u0300 No\u0323\u0302i"}, "Hà Nội"),
    ("composed", "string", {"column": "c", "unicode": "NFD"}, {"c": "Hà"}, "Ha\u0300"),
    ("decomposed, and nobody cares", "string", "c", {"c": "Ha\u0300"}, "Ha\u0300"),
    ("id with blanks and dots", "string", ID, {"c": " 001.199 000123"}, "001199000123"),
    ("id that lost its zeros", "string", ID, {"c": 1199000123}, "001199000123"),
    ("id of a sheet", "string", ID, {"c": 1199000123.0}, "001199000123"),
    ("id as a decimal", "string", ID, {"c": Decimal("1199000123.00")}, "001199000123"),
    ("id of signs alone", ["null", "string"], ID, {"c": " . "}, None),
    ("id in capitals", "string", {"column": "c", "id": {"case": "upper"}}, {"c": "tk-1a"}, "TK-1A"),
    ("id with a sign", "string", {"column": "c", "id": {"pad": 4}}, {"c": "-1"}, "00-1"),
    ("id that is a number", "long", {"column": "c", "id": {"drop": "."}}, {"c": "1.199"}, 1199),
    ("code after id", COLOUR, {"column": "c", "id": {"pad": 2}, "codes": {"02": "BLUE"}}, {"c": 2}, "BLUE"),
    ("nested, nothing but blanks", ["null", PLACE], {"fields": {"a": BLANKS, "b": BLANKS}}, {"c": " "}, None),
    ("nested, nothing there", ["null", PLACE], {"fields": {"a": "p", "b": "q"}}, {"p": None, "q": None}, None),
]


@pytest.mark.parametrize(("case", "kind", "rule", "row", "value"), GOOD, ids=[case[0] for case in GOOD])
def test_a_rule_makes(case: str, kind: Any, rule: Any, row: dict[str, Any], value: Any) -> None:
    """Each kind of rule makes the raw Avro value of its field."""
    assert mapped(kind, rule, row) == value


def test_a_dataset_says_for_every_column(contract: Contract) -> None:
    """What the dataset says of its columns holds in nested rules and in keys too; a rule of its own goes before."""
    fields: dict[str, Any] = {"id": "ma", "holder": {"column": "chu", "trim": False}, "worth": {"constant": 3}}
    said = {"origin": "rights", "trim": "inner", "unicode": "NFC", "fields": fields}
    mapper = Mapper(contract.mapper.dataset, DatasetRule.model_validate(said), "manifest.yaml")
    row = {"ma": " r  1\u00a0", "chu": " Ha\u0300 "}
    assert mapper.record(row) == {"id": "r 1", "holder": " Hà ", "worth": 3}
    assert mapper.key(row) == RecordKey(" Hà ", "r 1")
    nested = {"fields": {"a": "p", "b": {"constant": 7}}}
    rule = DatasetRule.model_validate({"origin": "t", "trim": True, "fields": {"x": nested}}).rules()["x"]
    assert rule.fields is not None
    assert full_rule(rule.fields["a"]).trim is True


def test_what_a_key_cleans_to_nothing_is_missing(contract: Contract) -> None:
    """A record's id of blanks alone is told as one that is missing; a subject of blanks is one that is not known."""
    fields = {"id": {"column": "ma", "trim": True}, "holder": {"column": "chu", "trim": True}, "worth": "gia"}
    rule = DatasetRule.model_validate({"origin": "rights", "fields": fields})
    mapper = Mapper(contract.mapper.dataset, rule, "manifest.yaml")
    assert mapper.key({"ma": "r1 ", "chu": "\u00a0"}) == RecordKey("-", "r1")
    with pytest.raises(RowUnfit, match=r"field id \(column ma\): is missing"):
        mapper.key({"ma": " ", "chu": "p1"})


BAD = [
    ("unknown code", COLOUR, {"column": "c", "codes": {1: "RED"}}, {"c": "bí mật"}),
    ("no date", DATE, "c", {"c": "bí mật"}),
    ("a date that is a number", DATE, "c", {"c": 31121999}),
    ("time without an offset", TIME, "c", {"c": "2026-03-01T08:00:00"}),
    ("no number", "int", "c", {"c": "bí mật"}),
    ("a number as programs write it", "int", "c", {"c": "3112_1999"}),
    ("a fraction as programs write it", "double", "c", {"c": "3112_1999.5"}),
    ("column missing", "int", "c", {"other": "bí mật"}),
    ("id that is too long", "string", ID, {"c": "0011990001234"}),
    ("id with a line's end", "string", ID, {"c": "001199000123\n"}),
    ("id of other letters", "string", ID, {"c": "bí mật"}),
    ("id that is a fraction", "string", ID, {"c": Decimal("31121999.5")}),
    ("id that is no number", "string", ID, {"c": Decimal("NaN")}),
    ("id that is a boolean", "string", ID, {"c": True}),
    ("id that is endless", "string", ID, {"c": float("inf")}),
    ("text where an array is due", {"type": "array", "items": COLOUR}, "c", {"c": "bí mật"}),
]


@pytest.mark.parametrize(("case", "kind", "rule", "row"), BAD, ids=[case[0] for case in BAD])
def test_a_row_that_does_not_fit_names_its_column(case: str, kind: Any, rule: Any, row: dict[str, Any]) -> None:
    """The error names field and column, and quotes no value."""
    with pytest.raises(RowUnfit) as unfit:
        mapped(kind, rule, row)
    assert "field x (column c)" in str(unfit.value)
    assert "mật" not in str(unfit.value)
    assert "31121999" not in str(unfit.value)


def test_an_id_that_does_not_fit_names_its_rule() -> None:
    """Who reads the dead letter learns which form was due."""
    with pytest.raises(RowUnfit, match=r"field x \(column c\): does not match the pattern \[0-9\]\{12\} of its id"):
        mapped("string", ID, {"c": "bí mật"})


@pytest.mark.parametrize("worth", [2**40, Decimal("1E+999999999")], ids=["too much", "nobody counts so far"])
def test_the_contract_judges_what_the_rules_let_through(contract: Contract, worth: Any) -> None:
    """A value that its rule makes and its type refuses is told by column, without the value, and within moments."""
    with pytest.raises(RowUnfit) as unfit:
        contract.value({"ma": "r1", "chu": "p1", "gia": worth, "mat": ""})
    assert "gia" in str(unfit.value)
    assert str(worth) not in str(unfit.value)


def test_keys(contract: Contract) -> None:
    """The key is subject and record id; `-` where the subject is not known; a slash in a subject does not fit."""
    assert contract.mapper.key({"ma": "r1", "chu": "p1"}) == RecordKey("p1", "r1")
    assert contract.mapper.key({"ma": "r1", "chu": None}) == RecordKey("-", "r1")
    with pytest.raises(RowUnfit):
        contract.mapper.key({"ma": "r1", "chu": "p/1"})
    with pytest.raises(RowUnfit):
        contract.mapper.key({"ma": None, "chu": "p1"})


def test_a_function_stands_before_the_rules(contract: Contract) -> None:
    """What a source derives is what its rules read; where its function fails, the row is told without its values."""
    rule = DatasetRule.model_validate({"origin": "rights", "fields": {"id": "ma", "holder": "chu", "worth": "tong"}})
    mapper = Mapper(contract.mapper.dataset, rule, "manifest.yaml", lambda row: {**row, "tong": row["a"] + row["b"]})
    assert mapper.record({"ma": "r1", "chu": "p1", "a": 1, "b": 2})["worth"] == 3
    with pytest.raises(RowUnfit, match="own function failed"):
        mapper.record({"ma": "r1", "chu": "bí mật"})


SOURCE = """\
from pathlib import Path
from bus.connect import FilesSource, load_manifest

class Source(FilesSource):
    manifest = load_manifest(Path(__file__).with_name("manifest.yaml"))

    def derive(self, dataset, row):
        return {**row, "ma": row["mã"]}
"""
MANIFEST = """\
{name: lib, registry: lib, kind: files, files: {operation_column: op, deleted: [D]},
 datasets: {lib.right: {origin: right, fields: {id: ma, worth: gia}}}}
"""


def test_a_function_that_fails_is_told_with_its_line(contract: Contract, tmp_path: Path) -> None:
    """Who wrote the function learns in which line of it a row failed, and which error that was; no value."""
    (tmp_path / "manifest.yaml").write_text(MANIFEST, encoding="utf-8")
    (tmp_path / "source.py").write_text(SOURCE, encoding="utf-8")
    found = load_folder(tmp_path)
    source = found(Place("lib", "", {"folder": str(tmp_path)}))
    rule = found.manifest.datasets["lib.right"]
    mapper = Mapper(contract.mapper.dataset, rule, "manifest.yaml", partial(source.derive, "lib.right"))
    with pytest.raises(RowUnfit, match=r"own function failed \(source.py, line 8: KeyError\)"):
        mapper.key({"ma": "bí mật"})


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"id": "ma", "holder": "chu"}, r"needs the fields worth: map each under datasets\.test\.right\.fields"),
        ({"id": "ma", "worth": "gia", "colour": "mau"}, "colour"),
    ],
)
def test_a_manifest_that_does_not_fit_the_schema_is_refused(contract: Contract, fields: Any, named: str) -> None:
    """A field that is due and unmapped, or mapped and unknown, is named."""
    rule = DatasetRule.model_validate({"origin": "rights", "fields": fields})
    with pytest.raises(ManifestWrong, match=named):
        Mapper(contract.mapper.dataset, rule, "manifest.yaml")


@pytest.mark.parametrize(("value", "secret"), [("x", True), (" X ", True), ("y", False), (None, False), (True, False)])
def test_state_secrets_are_known_whatever_their_spelling(value: Any, *, secret: bool) -> None:
    """Case and blanks around a mark do not let a state secret through."""
    assert SecretRule(column="mat", values=("x",)).covers({"mat": value}) is secret


@pytest.mark.parametrize(
    ("mark", "value", "secret"),
    [
        ("tuyệt mật", normalize("NFD", "Tuyệt mật"), True),
        ("tuyệt mật", "TUYỆT\u00a0 MẬT", True),
        (1, Decimal("1.00"), True),
        (1, 1.0, True),
        (1, True, True),
        (True, 1, True),
        (True, "t", True),
        ("x", ["a", "X"], True),
        (1, Decimal("1.5"), False),
        (1, float("inf"), False),
        (1, Decimal("NaN"), False),
        (1, Decimal("Infinity"), False),
        (True, 0, False),
        ("x", ["a", None], False),
    ],
)
def test_a_mark_counts_in_each_form_of_it(mark: Any, value: Any, *, secret: bool) -> None:
    """The Unicode form, blanks within, the type of a number or boolean and a list around it let no secret through."""
    assert SecretRule(column="mat", values=(mark,)).covers({"mat": value}) is secret


def test_a_boolean_mark() -> None:
    """A boolean column marks as well as its text does."""
    rule = SecretRule(column="mat", values=(True,))
    assert [rule.covers({"mat": value}) for value in (True, "true", False, None)] == [True, True, False, False]
