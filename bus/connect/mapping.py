"""From a registry's row to a dataset's record: pure, compiled once from the manifest, errors told by column."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bus.avro.datasets import Dataset
from bus.connect.cells import written
from bus.connect.convert import converter, dated, without_null
from bus.connect.convert import integer as as_number
from bus.connect.convert import text as as_text
from bus.connect.folder import code_of, failure
from bus.connect.manifest import DatasetRule, FieldRule, full_rule
from bus.connect.source import Row
from bus.connect.unfit import RowUnfit
from bus.errors import ManifestWrong
from bus.model.key import UNKNOWN_SUBJECT, RecordKey

__all__ = ("Derive", "Make", "Mapper", "Origin", "RowUnfit")

KEY_BYTES = 2048
"""How long the parts of a key may be together: Kafka takes key, value and headers as one."""

Make = Callable[[Row], Any]
Derive = Callable[[Row], Row]


class Origin(NamedTuple):
    """What one field is made of: a column by `convert`; where that is None, nothing but a constant.

    `kind` is the name of the field's Avro type; `as_text` and `as_number` say that a text and a number are taken as
    they are, `made` that the rule makes another value of it than its type alone would.
    """

    column: str | None
    convert: Callable[[Any], Any] | None
    kind: str
    keep_empty: bool = False
    as_text: bool = False
    as_number: bool = False
    made: bool = False
    constant: Any = None


class Mapper:
    """One dataset's rule, ready for rows. `derive` comes before the rule, for what data can't say.

    `origins` are None for fields of several columns. `sees_rows`: more than the rule's columns decides about a row.
    """

    def __init__(self, dataset: Dataset, rule: DatasetRule, manifest: str, derive: Derive | None = None) -> None:
        rules = rule.rules()
        known = {field.name for field in dataset.fields}
        if strange := sorted(rules.keys() - known):
            raise ManifestWrong(path=manifest, reason=f"{dataset.name} has no field {', '.join(strange)}")
        missing = [field.name for field in dataset.fields if not field.nullable and field.name not in rules]
        if missing:
            reason = (
                f"{dataset.name} needs the fields {', '.join(missing)}: map each under datasets.{dataset.name}.fields"
            )
            raise ManifestWrong(path=manifest, reason=reason)
        self.dataset = dataset
        self.secret = rule.state_secret
        self.sees_rows = derive is not None or rule.state_secret is not None
        self.origins = {one.name: _origin(rules.get(one.name), one.type) for one in dataset.fields}
        self._derive = derive
        self._makers = {
            field.name: _maker(rules[field.name], field.type) if field.name in rules else _absent
            for field in dataset.fields
        }
        self._whole = _whole([(one.name, rules.get(one.name), one.type) for one in dataset.fields], self._makers)
        self._only = self._makers[dataset.record_id[0]] if len(dataset.record_id) == 1 else None
        self._whose = self._makers[dataset.subject] if dataset.subject is not None else _absent
        self._rules = rules

    def record(self, row: Row) -> dict[str, Any]:
        """The record with raw Avro values. Raises RowUnfit."""
        row = self._derived(row)
        try:
            return self._whole(row)
        except (KeyError, ValueError, TypeError, ArithmeticError):  # slowly again, for the place and the reason
            return {name: self._made(name, make, row) for name, make in self._makers.items()}

    def key(self, row: Row) -> RecordKey:
        """Whose record it is and which one. Raises RowUnfit."""
        row = self._derived(row)
        record_id = self._told(self._record_id(row), self.dataset.record_id[0], KEY_BYTES)
        if self.dataset.subject is None:
            return RecordKey(None, record_id)
        try:
            subject = self._whose(row)
        except (KeyError, ValueError, TypeError, ArithmeticError):  # again, for the place and the reason
            subject = self._made(self.dataset.subject, self._whose, row)
        if subject is None:
            return RecordKey(UNKNOWN_SUBJECT, record_id)
        if not isinstance(subject, str) or "/" in subject:
            raise RowUnfit(f"{self._place(self.dataset.subject)}: cannot be a subject")
        room = KEY_BYTES - len(record_id.encode())
        return RecordKey(self._told(subject, self.dataset.subject, room), record_id)

    def record_id(self, row: Row) -> str:
        """Which record it is, whoever it is about. Raises RowUnfit."""
        return self._record_id(self._derived(row))

    def id_of(self, told: str) -> str:
        """The record id of which a source tells nothing but the id, in the form that its rule gives it in a row."""
        rule = self._rules.get(self.dataset.record_id[0])
        if len(self.dataset.record_id) > 1 or rule is None or rule.column is None:
            return told
        try:
            return self._record_id({rule.column: told})
        except RowUnfit:  # so nothing is published under it
            return told

    def _derived(self, row: Row) -> Row:
        if self._derive is None:
            return row
        try:
            return self._derive(row)
        except Exception as error:  # noqa: BLE001 - an integrator's function may raise anything, and quote values
            raise RowUnfit(f"the connector's own function failed ({failure(error, _folder(self._derive))})") from None

    def _record_id(self, row: Row) -> str:
        if self._only is not None:
            try:
                value = self._only(row)
            except (KeyError, ValueError, TypeError, ArithmeticError):
                value = None  # slowly again, for the place and the reason
            if type(value) is str and value:
                return value
        return "-".join([self._part(name, row) for name in self.dataset.record_id])

    def _told(self, text: str, field: str, room: int) -> str:
        """A key's text, which must be one: a source whose encoding is wrong may give bytes that are none."""
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise RowUnfit(f"{self._place(field)}: is not text of the encoding that was told") from None
        if size > room:
            raise RowUnfit(f"{self._place(field)}: is too long for a key, which has {KEY_BYTES} bytes")
        return text

    def column(self, field: str) -> str:
        """The column that a field of the record is made from, for texts; the field itself where there is none."""
        rule = self._rules.get(field)
        return (rule and rule.column) or field

    def _part(self, name: str, row: Row) -> str:
        value = self._made(name, self._makers[name], row)
        if value is None or value == "":
            raise RowUnfit(f"{self._place(name)}: is missing, and the record's id needs it")
        return str(value)

    def _made(self, name: str, make: Make, row: Row) -> Any:
        try:
            return make(row)
        except KeyError as error:
            raise RowUnfit(f"{self._place(name)}: the row has no such column") from error
        except (ValueError, TypeError, ArithmeticError) as error:
            reason = str(error) if isinstance(error, RowUnfit) else "cannot be read as its field's type"
            raise RowUnfit(f"{self._place(name)}: {reason}") from None

    def _place(self, field: str) -> str:
        column = self.column(field)
        return f"field {field}" if column == field else f"field {field} (column {column})"


def _folder(derive: Derive) -> Path | None:
    """Where a source's own function was written: it comes as the method of a source, for one of its datasets."""
    source = getattr(getattr(derive, "func", derive), "__self__", None)
    return None if source is None else code_of(type(source))


def _absent(_: Row) -> None:
    return None


def _origin(rule: FieldRule | None, kind: Any) -> Origin | None:
    word = kind if isinstance(kind, str) else kind["type"] if isinstance(kind, dict) else ""
    if rule is not None and rule.valid_at is not None:
        return None
    if rule is None or rule.column is None:
        return (
            None
            if rule is not None and rule.fields is not None
            else Origin(None, None, word, constant=rule and rule.constant)
        )
    convert = converter(rule, kind)
    return Origin(
        rule.column, convert, word, rule.keep_empty, convert is as_text, convert is as_number, made=rule.makes
    )


def _maker(rule: FieldRule, kind: Any) -> Make:
    if rule.fields is not None:
        return _nested(rule.fields, kind)
    if "constant" in rule.model_fields_set:
        constant = rule.constant
        return lambda _: constant
    if rule.valid_at is not None:
        return _dated(rule, rule.valid_at, kind)
    column, convert = str(rule.column), converter(rule, kind)

    def make(row: Row) -> Any:
        value = row[column]
        if value is None or (value == "" and not rule.keep_empty):
            return None
        return convert(value)

    return make


def _dated(rule: FieldRule, valid_at: str, kind: Any) -> Make:
    column, convert = str(rule.column), dated(rule, kind)

    def make(row: Row) -> Any:
        value = row[column]
        if value is None or (value == "" and not rule.keep_empty):
            return None
        try:
            day = row[valid_at]
        except KeyError:
            raise RowUnfit(f"the row has no column {valid_at}, which holds the day of its unit") from None
        return convert(value, day)

    return make


def _whole(
    fields: Sequence[tuple[str, FieldRule | None, Any]], makers: Mapping[str, Make]
) -> Callable[[Row], dict[str, Any]]:
    """All makers of a record as one function, written once: a call for each field would cost more than its work.

    What it returns is what the makers return, and where one of them raises, it raises.
    """
    names: dict[str, Any] = {}
    parts = []
    for number, (name, rule, kind) in enumerate(fields):
        plain = rule is not None and rule.column is not None and rule.fields is None and rule.valid_at is None
        if rule is None or not plain:
            names[f"m{number}"] = makers[name]
            parts.append(f"{name!r}: m{number}(row)")
            continue
        names[f"c{number}"] = convert = converter(rule, kind)
        empty = "" if rule.keep_empty else " or v == ''"
        made = f"None if (v := row[{rule.column!r}]) is None{empty} else c{number}(v)"
        if convert is as_text:  # mostly it is one already, and then nothing has to be converted
            kept = "" if rule.keep_empty else " and v"
            made = f"v if type(v := row[{rule.column!r}]) is str{kept} else None if v is None{empty} else c{number}(v)"
        parts.append(f"{name!r}: ({made})")
    whole: Callable[[Row], dict[str, Any]] = written("whole(row)", [f"return {{{', '.join(parts)}}}"], names)
    return whole


def _nested(rules: Mapping[str, Any], kind: Any) -> Make:
    types = {one["name"]: one["type"] for one in kind["fields"]}
    makers = {name: _maker(full_rule(rule), without_null(types[name])) for name, rule in rules.items()}

    def make(row: Row) -> dict[str, Any] | None:
        record = {name: one(row) for name, one in makers.items()}
        return None if all(value is None for value in record.values()) else record

    return make
