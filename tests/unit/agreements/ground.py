"""What the tests of agreements stand on: the pretend country's files, and a small dataset with a field of each kind."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bus.agreements.shape import shape_of
from bus.avro.datasets import dataset_of
from tests import country

AGENCIES, BASES, DATASETS, ROOT = country.AGENCIES, country.BASES, country.DATASETS, country.ROOT
HERE = Path(__file__).parent
SEEDS = ROOT / "seeds" / "agreements"


def data(name: str) -> Any:
    """A file of cases beside the tests."""
    return YAML(typ="safe").load((HERE / name).read_text(encoding="utf-8"))


def _field(name: str, avro: Any, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "type": avro, "doc": f"The {name}.", "category": "personal", **attributes}


_DAY = {"type": "int", "logicalType": "date"}
_MOMENT = {"type": "long", "logicalType": "timestamp-millis"}
_FINE = {"type": "long", "logicalType": "timestamp-micros"}
_COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN", "BLUE"]}
_INNER = {
    "type": "record",
    "name": "Inner",
    "fields": [_field("text", "string"), _field("day", _DAY), _field("maybe_number", ["null", "long"])],
}

SAMPLE = dataset_of(
    {
        "type": "record",
        "name": "Sample",
        "namespace": "test",
        "registry": "test",
        "dataset": "sample",
        "subject": "person",
        "record_id": ["number"],
        "fields": [
            _field("person", "string", identifies=True),
            _field("text", "string"),
            _field("maybe_text", ["null", "string"]),
            _field("number", "long"),
            _field("maybe_number", ["null", "int"]),
            _field("ratio", "double"),
            _field("flag", "boolean"),
            _field("maybe_flag", ["null", "boolean"]),
            _field("colour", _COLOUR),
            _field("maybe_colour", ["null", "Colour"]),
            _field("day", _DAY),
            _field("maybe_day", ["null", _DAY]),
            _field("moment", _MOMENT),
            _field("fine_moment", _FINE),
            _field("tags", {"type": "array", "items": "string"}),
            _field("colours", {"type": "array", "items": "Colour"}),
            _field("inner", ["null", _INNER]),
            _field("blob", "bytes"),
        ],
    },
    place="test",
)
SHAPE = shape_of(SAMPLE.schema)

WRITTEN: dict[str, Any] = {
    "person": "p1",
    "text": "Nguyễn An",
    "number": 7,
    "ratio": 1.5,
    "flag": True,
    "colour": "RED",
    "day": "2000-02-29",
    "moment": "2026-01-01T00:00:00+07:00",
    "fine_moment": "2026-01-01T00:00:00.000001Z",
    "tags": ["a", "b"],
    "colours": ["RED", "BLUE"],
    "blob": b"",
}
"""A record of the sample dataset as people write it; what is left out is null."""
