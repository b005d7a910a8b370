"""An agreement's document as a text again, written as people write one: what the register tells becomes a file."""

from collections.abc import Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from bus.agreements.document import AgreementDocument
from bus.agreements.text import SURPRISES

_UNORDERED = {"title", "description", "text", "given", "release"}
"""What people name things in: a text that travelled through the register lost the order of these."""


def as_written(document: AgreementDocument) -> str:
    """YAML that reads as the same document; comments and layout of the file that it came from are not known."""
    data = _ordered(document.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    data["purpose"] = {"code": data["purpose"]["code"], **data["purpose"]["text"]}
    data["fields"] = [_field(rule) for rule in data["fields"]]
    data.setdefault("timezone", document.timezone)  # without it, that of whoever reads would hold
    out, yaml = StringIO(), YAML()
    yaml.width = 4000
    yaml.dump(_quoted(data), out)
    return out.getvalue()


def _ordered(value: Any) -> Any:
    if isinstance(value, list):
        return [_ordered(one) for one in value]
    if not isinstance(value, dict):
        return value
    inner = {key: _ordered(one) for key, one in value.items()}
    return {key: dict(sorted(one.items())) if key in _UNORDERED and one else one for key, one in inner.items()}


def _field(rule: Mapping[str, Any]) -> str | dict[str, Any]:
    """`name`, or `{name, as: year, called}`, or `{name, as: {mask: 4}}`."""
    if set(rule) == {"name"}:
        return str(rule["name"])
    told = dict(rule)
    if "as" in rule:
        how = rule["as"]
        rest = {"day": how["day"]} if "day" in how else {}
        told["as"] = how["kind"] if set(how) == {"kind"} else {how["kind"]: how.get("argument"), **rest}
    return told


def _quoted(value: Any) -> Any:
    """The same with those words in quotes that many programs would read as true or false without them."""
    if isinstance(value, dict):
        return {_quoted(key): _quoted(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_quoted(one) for one in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and value.lower() in SURPRISES else value
