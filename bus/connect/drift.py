"""What differs at a source from what it was: columns that are new, gone, or hold another kind of value. Pure.

How a dataset's rows look is learnt while they are first read whole. From then on each difference is met as the manifest
says. *freeze* stops the connector before the row, and nothing is lost. *discard* leaves a new column out, and lets a
row with another kind of value try whether it still fits. *evolve* does so too, and proposes a field for a new column.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bus.connect.cells import Layout, WireRow
from bus.connect.manifest import DatasetRule, DriftMode, FieldRule, Manifest, full_rule
from bus.connect.source import Row

SIGNATURES_KEPT = 4096

_KINDS: dict[type, str] = {
    str: "text", bool: "boolean", int: "number", float: "number", Decimal: "number", datetime: "time", date: "date",
    list: "list", tuple: "list", dict: "object", bytes: "bytes",
}  # fmt: skip


class Difference(StrEnum):
    """How a column differs."""

    NEW = "new-column"
    GONE = "column-gone"
    KIND = "changed-type"


@dataclass(frozen=True, slots=True)
class Strange:
    """A difference and how it is met; `kind` is that of its values, `rows` how many had it."""

    dataset: str
    column: str
    difference: Difference
    mode: DriftMode
    kind: str = ""
    rows: int = 0

    def __str__(self) -> str:
        """`population.person: new-column phone2 (text)`."""
        return f"{self.dataset}: {self.difference} {self.column}{f' ({self.kind})' if self.kind else ''}"


@dataclass(frozen=True, slots=True)
class Drift:
    """What a connector remembers of it: the shapes as JSON, what was found, and before what it stands still."""

    shapes: str = "{}"
    found: tuple[Strange, ...] = ()
    frozen: str = ""


class Frozen(Exception):
    """A row that differs where the manifest says `freeze`; nothing of it was taken."""

    def __init__(self, strange: Strange) -> None:
        super().__init__(str(strange))
        self.strange = strange


@dataclass(slots=True)
class _Shape:
    """The columns of a dataset's rows, each with the kinds of its values; `whole` once it is learnt."""

    columns: dict[str, set[str]]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class _Rule:
    """What the manifest says of a dataset: columns that are read, those known without being learnt, and the modes."""

    read: frozenset[str]
    known: frozenset[str]
    secret: str | None
    new: DriftMode
    kind: DriftMode


class Watch:
    """Looks at each row of a connector's datasets. Mutable: it moves with the flow, and is thrown away with it."""

    def __init__(self, manifest: Manifest, drift: Drift) -> None:
        known = {manifest.files.operation_column} if manifest.files else set()
        self._rules = {name: _rule(one, known) for name, one in manifest.datasets.items()}
        self._shapes = {
            name: _Shape({column: set(kinds) for column, kinds in one["columns"].items()}, one["whole"])
            for name, one in json.loads(drift.shapes).items()
        }
        self._found = {(one.dataset, one.column, one.difference): one for one in drift.found}
        self._seen: dict[tuple[Any, ...], list[tuple[str, str, Difference]]] = {}
        self._learning = {name for name, one in self._shapes.items() if not one.whole}
        self._plain: set[tuple[str, Layout, int]] = set()
        self._drift = drift
        self._changed = False
        self.news: list[Strange] = []

    def glance(self, dataset: str, row: WireRow, nulls: int, *, learning: bool) -> None:
        """Meet a row, unless one that looked the same was met before and differed in nothing. Raises Frozen.

        `nulls` has a bit for each of its columns that is null: what else a steady column holds is always of one kind.
        """
        looks = (dataset, row.layout, nulls)
        if looks in self._plain and dataset not in self._learning and not self._drift.frozen:
            return
        values = row.read()
        self.meet(dataset, values, learning=learning)
        if not self._seen[_signature(dataset, values)]:
            if len(self._plain) >= SIGNATURES_KEPT:
                self._plain.clear()
            self._plain.add(looks)

    def meet(self, dataset: str, row: Row, *, learning: bool) -> None:
        """Look at a row; `learning` while its dataset is being read whole. Raises Frozen."""
        if not learning and dataset in self._learning:
            self._learning.discard(dataset)
            self._shapes[dataset].whole = self._changed = True
        signature = _signature(dataset, row)
        met = self._seen.get(signature)
        if met is None:
            met = self._look(dataset, row, learning=learning)
            if len(self._seen) >= SIGNATURES_KEPT:
                self._seen.clear()
            self._seen[signature] = met
        for place in met:
            self._found[place] = replace(self._found[place], rows=self._found[place].rows + 1)
            self._changed = True
        if self._drift.frozen:
            self.freeze("")

    def drift(self) -> Drift:
        """What is to be remembered now."""
        if self._changed:
            shapes = {
                name: {"whole": one.whole, "columns": {column: sorted(kinds) for column, kinds in one.columns.items()}}
                for name, one in self._shapes.items()
            }
            text = json.dumps(shapes, ensure_ascii=False, separators=(",", ":"))
            self._drift = Drift(text, tuple(self._found.values()), self._drift.frozen)
            self._changed = False
        return self._drift

    def freeze(self, reason: str) -> bool:
        """Remember before what the connector stands still, empty when it goes on; whether that is new."""
        if self._drift.frozen == reason:
            return False
        self._drift = replace(self._drift, frozen=reason)
        self._changed = True
        return True

    def take_news(self) -> list[Strange]:
        """What was found since the last call."""
        found, self.news = self.news, []
        return found

    @property
    def frozen(self) -> str:
        """Before what it stands still; empty while it goes on."""
        return self._drift.frozen

    def accept(self, datasets: Iterable[str]) -> None:
        """What these datasets look like from now on is how they are to be; nothing stands still for them."""
        self.freeze("")
        for dataset in datasets:
            self._shapes.pop(dataset, None)
            self._learning.discard(dataset)
            self._found = {place: one for place, one in self._found.items() if place[0] != dataset}
        self._seen.clear()
        self._plain.clear()
        self._changed = True

    def _look(self, dataset: str, row: Row, *, learning: bool) -> list[tuple[str, str, Difference]]:
        secret = self._rules[dataset].secret
        if secret is not None and secret not in row:  # without it nobody can tell what is a state secret
            raise Frozen(Strange(dataset, secret, Difference.GONE, DriftMode.FREEZE))
        shape = self._shapes.setdefault(dataset, _Shape({}))
        if not shape.whole:
            self._learn(shape, row)
            shape.whole = not learning
            if learning:
                self._learning.add(dataset)
            return []
        found = list(self._differences(dataset, self._rules[dataset], shape, row))
        for one in found:
            if one.mode == DriftMode.FREEZE:
                raise Frozen(one)
        return [self._note(one) for one in found]

    def _learn(self, shape: _Shape, row: Row) -> None:
        for column, value in row.items():
            shape.columns.setdefault(column, set()).update(_kind(value))
        self._changed = True

    def _differences(self, dataset: str, rule: _Rule, shape: _Shape, row: Row) -> Iterable[Strange]:
        for column, value in row.items():
            kinds = shape.columns.get(column)
            if kinds is None:
                if column not in rule.known:
                    yield Strange(dataset, column, Difference.NEW, rule.new, "".join(_kind(value)))
            elif not kinds:
                kinds.update(_kind(value))
                self._changed = True
            elif column in rule.read and not kinds.issuperset(_kind(value)):
                yield Strange(dataset, column, Difference.KIND, rule.kind, "".join(_kind(value)))
        for column in shape.columns.keys() - row.keys():
            if column in rule.read:
                yield Strange(dataset, column, Difference.GONE, rule.kind)

    def _note(self, one: Strange) -> tuple[str, str, Difference]:
        place = (one.dataset, one.column, one.difference)
        known = self._found.get(place)
        if known is None:
            self.news.append(one)
        self._found[place] = one if known is None else replace(known, mode=one.mode, kind=one.kind or known.kind)
        return place


def _signature(dataset: str, row: Row) -> tuple[Any, ...]:
    """How a row looks: its columns, and of what type each value is."""
    return (dataset, *row, *map(type, row.values()))


def _kind(value: Any) -> Collection[str]:
    """The kind of a value; of none, nothing can be said."""
    return () if value is None else (_KINDS.get(type(value), type(value).__name__),)


def _rule(rule: DatasetRule, known: Collection[str]) -> _Rule:
    drift, secret = rule.drift_rule(), rule.state_secret.column if rule.state_secret else None
    read = frozenset(_columns(rule.rules())) | ({secret} if secret else frozenset())
    return _Rule(read, frozenset({*known, *drift.ignore}), secret, drift.new_column, drift.changed_type)


def _columns(rules: Mapping[str, FieldRule]) -> Iterable[str]:
    for rule in rules.values():
        if rule.column is not None:
            yield rule.column
        if rule.valid_at is not None:
            yield rule.valid_at
        if rule.fields is not None:
            yield from _columns({name: full_rule(one) for name, one in rule.fields.items()})
