"""A connector's manifest: which datasets it publishes, and how the registry's columns become their fields."""

import codecs
import re
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal
from unicodedata import normalize
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from bus.connect.units import Units, read_units
from bus.connect.wording import checked, shown

Code = str | int | bool


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Trim = bool | Literal["inner"]


class IdRule(_Strict):
    """The one form of an id that is written in several, in this order; a whole number is taken for its digits.

    `drop` are letters that go, wherever they stand; `case` is that of the others; zeros stand before it up to `pad`
    letters; then all of it must match the regular expression `pattern`.
    """

    drop: str = ""
    case: Literal["upper", "lower"] | None = None
    pad: int | None = Field(None, ge=1, le=1000)
    pattern: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "IdRule":
        if not (self.drop or self.case or self.pad or self.pattern):
            raise ValueError("needs one of drop, case, pad and pattern")
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ValueError(f"the pattern is no regular expression: {error}") from None
        return self


def _units(value: Any, info: ValidationInfo) -> Units:
    """The table of a file, whose name is relative to the manifest's folder; each file is read once."""
    if isinstance(value, Units):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("must be the name of a CSV file")
    near: dict[str, Any] = info.context or {}
    tables: dict[str, Units] = near.setdefault("units", {})
    if value not in tables:
        tables[value] = read_units(near.get("folder", Path()) / value, value)
    return tables[value]


class FieldRule(_Strict):
    """How one field of a dataset is made: from a column, a constant, or a record of further fields.

    A text is cleaned first: `unicode` puts it into one form, `trim` takes white space off both ends, and with `inner`
    makes one blank of each run between, `id` makes one form of an id. `codes` translates the registry's codes, and a
    code that is not listed is an error of the row; `units` does so with codes of administrative units that change, by a
    table: of the unit that had the code at the day in the column `valid_at`, to what it is part of now, or `as_of` a
    day. `date_format` is for dates and times that come as text (strptime);
    `time_zone` (`UTC`, `Europe/Paris`) is that of times without offset. `split` makes an array of a text. `fields`
    makes a nested record, which is null when all of its columns are. Empty text, also what is empty when it is clean,
    counts as absent unless `keep_empty`.
    """

    column: str | None = None
    constant: Any = None
    codes: dict[Code, Code | None] | None = None
    date_format: str | None = None
    time_zone: str | None = None
    split: str | None = None
    keep_empty: bool = False
    trim: Trim | None = None
    unicode: Literal["NFC", "NFD"] | None = None
    id: IdRule | None = None
    units: Annotated[Units, PlainValidator(_units)] | None = None
    valid_at: str | None = None
    as_of: date | None = None
    fields: "dict[str, Rule] | None" = None

    @model_validator(mode="after")
    def _one_origin(self) -> "FieldRule":
        given = [name for name in ("column", "constant", "fields") if name in self.model_fields_set]
        if len(given) != 1:
            raise ValueError("needs exactly one of column, constant and fields")
        if self.time_zone is not None:
            _known_zone(self.time_zone)
        if self.units is None and (self.valid_at or self.as_of):
            raise ValueError("valid_at and as_of go with units")
        if self.units is not None and self.codes is not None:
            raise ValueError("takes one of codes and units")
        if self.column is None and (stray := [name for name in _OF_COLUMNS if getattr(self, name)]):
            raise ValueError(f"{stray[0]} goes with a column")
        return self

    @property
    def takes_text(self) -> bool:
        """Whether any text that its column may hold is the field's, but for its white space and Unicode form."""
        return self.codes is None and self.id is None and self.units is None

    @property
    def makes(self) -> bool:
        """Whether it makes another value of its column's than the field's type alone would."""
        return self.codes is not None or any(getattr(self, name) for name in _OF_COLUMNS)

    def within(self, dataset: "DatasetRule") -> "FieldRule":
        """The rule with what its dataset says for every column."""
        if not dataset.trim and dataset.unicode is None:
            return self
        if self.fields is not None:
            inner = {name: full_rule(one).within(dataset) for name, one in self.fields.items()}
            return self.model_copy(update={"fields": inner})
        if self.column is None:
            return self
        trim = dataset.trim if self.trim is None else self.trim
        return self.model_copy(update={"trim": trim, "unicode": self.unicode or dataset.unicode})


_OF_COLUMNS = ("trim", "unicode", "id", "units")
"""What says something of a column's value, and nothing of a constant or a nested record."""


Rule = Annotated[FieldRule | str, Field(union_mode="left_to_right")]


class SecretRule(_Strict):
    """Rows that are a state secret: those whose column holds one of the values."""

    column: str
    values: tuple[Code, ...] = Field(min_length=1)

    def covers(self, row: Any) -> bool:
        """Whether the row is a state secret. A value that only differs in type, case, blanks or Unicode form counts.

        So does one of several in a list.
        """
        found = row.get(self.column)
        return any(not self._marks.isdisjoint(_forms(one)) for one in (found if isinstance(found, list) else (found,)))

    @cached_property
    def _marks(self) -> frozenset[str]:
        return frozenset[str]().union(*map(_forms, self.values))


class DriftMode(StrEnum):
    """What is done about a source that differs from what it was."""

    FREEZE = "freeze"
    DISCARD = "discard"
    EVOLVE = "evolve"


class DriftRule(_Strict):
    """What is done about a new column, and about a value of another kind. `ignore` names columns that may appear."""

    new_column: DriftMode = DriftMode.DISCARD
    changed_type: Literal[DriftMode.FREEZE, DriftMode.DISCARD] = DriftMode.DISCARD
    ignore: tuple[str, ...] = ()


class DatasetRule(_Strict):
    """One dataset: `origin` is the table, entry kind or file stem that it comes from.

    `trim` and `unicode` are those of every column whose rule does not say otherwise.
    """

    origin: str
    fields: dict[str, Rule]
    state_secret: SecretRule | None = None
    drift: DriftMode | DriftRule = DriftMode.DISCARD
    trim: Trim = False
    unicode: Literal["NFC", "NFD"] | None = None

    def drift_rule(self) -> DriftRule:
        """The rule in its long form. No schema that older records can be read with holds a value of another kind."""
        if isinstance(self.drift, DriftRule):
            return self.drift
        if self.drift is DriftMode.EVOLVE:
            return DriftRule(new_column=DriftMode.EVOLVE, changed_type=DriftMode.FREEZE)
        return DriftRule(new_column=self.drift, changed_type=self.drift)

    def rules(self) -> dict[str, FieldRule]:
        """Every field's rule, the short form (`field: column`) and what the dataset says of all columns written out."""
        return {name: full_rule(rule).within(self) for name, rule in self.fields.items()}


class FeedRule(_Strict):
    """How an HTTP feed is asked: its path, the path of each dataset's pages, and how many rows at once.

    `unbroken` promises that its sequence leaves out no number, so that one that is missing is a loss.
    """

    path: str
    pages: dict[str, str]
    page_rows: int = Field(500, ge=1, le=10_000)
    unbroken: bool = False


def _encoding(name: str) -> str:
    """One that Python knows. A file of UTF-8 may begin with a byte order mark, which is no part of its first column."""
    try:
        return "utf-8-sig" if codecs.lookup(name).name == "utf-8" else name
    except LookupError:
        raise ValueError("no such encoding is known") from None


Encoding = Annotated[str, AfterValidator(_encoding)]


class FilesRule(_Strict):
    """How dropped files are written. Without a delimiter, it is found in each file's first line.

    Without an `encoding`, it is found in each file: by its mark, else UTF-8, else `encoding_otherwise`. A full export
    that lacks more than `may_lose_percent` of what is published erases nothing until a person has confirmed it.
    A file is read when it has not grown for `rest_seconds`; where its last line has no end, and it is probably half
    written, for `unended_seconds`. Where a JSON object holds a list of which every entry is a record, `each` names it.
    """

    each: str | None = None
    encoding: Encoding | None = None
    encoding_otherwise: Encoding | None = None
    may_lose_percent: float = Field(20.0, ge=0, le=100)
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    operation_column: str
    rest_seconds: float = Field(3.0, ge=0)
    unended_seconds: float = Field(60.0, ge=0)
    deleted: tuple[str, ...] = Field(min_length=1)

    def deletes(self, operation: Any) -> bool:
        """Whether an operation means: deleted. A value that only differs in type, case, blanks or Unicode form does."""
        return not self._deletions.isdisjoint(_forms(operation))

    @cached_property
    def _deletions(self) -> frozenset[str]:
        return frozenset[str]().union(*map(_forms, self.deleted))


class SqlTable(_Strict):
    """How a table is asked: its key, and the column that grows with each change of a row.

    A version that was taken up to `safety` earlier may still become visible: seconds of a time, units of a number.
    Without a version, only whole readings find what changed.
    """

    key: tuple[str, ...] = Field(min_length=1)
    version: str | None = None
    safety: float = Field(60.0, ge=0)


class SqlRule(_Strict):
    """How a database is asked: how often for new versions, and how often for everything."""

    tables: dict[str, SqlTable]
    poll_seconds: float = Field(1.0, gt=0)
    compare_seconds: float = Field(3600.0, gt=0)
    may_lose_percent: float = Field(20.0, ge=0, le=100)


class Manifest(_Strict):
    """A connector as data. Dataset names are whole: `population.person`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    registry: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: Literal["postgres", "feed", "files", "sql"]
    datasets: dict[str, DatasetRule] = Field(min_length=1)
    feed: FeedRule | None = None
    files: FilesRule | None = None
    sql: SqlRule | None = None
    _file: str = PrivateAttr("")

    @property
    def written_in(self) -> str:
        """The file that it was read from, for texts; its name where it was made otherwise."""
        return self._file or self.name

    @model_validator(mode="after")
    def _own_datasets(self) -> "Manifest":
        for dataset in self.datasets:
            if not dataset.startswith(f"{self.registry}."):
                raise ValueError(
                    f"the dataset {dataset} is not of the registry {self.registry}: call it {self.registry}.…"
                )
        if self.kind != "sql":  # which asks for each by itself
            self._require_own_origins()
        for kind, section in (("feed", self.feed), ("files", self.files), ("sql", self.sql)):
            if self.kind == kind and section is None:
                raise ValueError(f"the kind {kind} needs a section `{kind}`")
            if self.kind != kind and section is not None:
                raise ValueError(f"the section `{kind}` belongs to the kind {kind}, and this is the kind {self.kind}")
        if self.feed and (lacking := sorted(self.datasets.keys() - self.feed.pages.keys())):
            raise ValueError(f"feed.pages lacks {', '.join(lacking)}")
        if self.sql and (lacking := sorted(self.datasets.keys() - self.sql.tables.keys())):
            raise ValueError(f"sql.tables lacks {', '.join(lacking)}")
        return self

    def _require_own_origins(self) -> None:
        first: dict[str, str] = {}
        for dataset, rule in self.datasets.items():
            if (other := first.setdefault(rule.origin, dataset)) != dataset:
                raise ValueError(
                    f"{other} and {dataset} have one origin, {rule.origin}: what changes in it would be told of one of"
                    " them alone; give the second to a connector of its own"
                )


def _known_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"there is no time zone {name}; names are like `UTC` and `Europe/Paris`") from None


def full_rule(rule: Rule) -> FieldRule:
    """A rule in its long form."""
    return FieldRule(column=rule) if isinstance(rule, str) else rule


def load_manifest(path: Path) -> Manifest:
    """Read and check a manifest, and the tables of units that it names.

    Raises ManifestWrong, which says what is wrong in which line.
    """
    manifest = checked(path, Manifest, _KEYS)
    manifest._file = shown(path)  # noqa: SLF001 - its own module
    return manifest


_MODELS = (Manifest, DatasetRule, FieldRule, IdRule, SecretRule, DriftRule, FeedRule, FilesRule, SqlRule, SqlTable)
_KEYS = frozenset(name for model in _MODELS for name in model.model_fields)


_BOOLEANS = {True: frozenset(("true", "t", "1")), False: frozenset(("false", "f", "0"))}


def _forms(value: Any) -> frozenset[str]:
    """The ways of writing a value, for comparison; null has none. Of a whole number its digits: 1.00 is 1."""
    if value is None:
        return frozenset()
    if isinstance(value, bool):
        return _BOOLEANS[value]
    if isinstance(value, float | Decimal) and isfinite(value) and value == int(value):
        value = int(value)
    return frozenset((" ".join(normalize("NFKC", str(value)).split()).casefold(),))
