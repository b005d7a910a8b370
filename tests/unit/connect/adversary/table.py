"""A registry's tables, written at random, and what each record has been: the naive truth."""

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any, NamedTuple

Row = dict[str, Any]
DATASETS = ("test.right", "test.other")
SECRET = "x"
_HOLDERS = ("p1", "p2", "p3", None)


class Write(NamedTuple):
    """One row of a transaction, before and after."""

    dataset: str
    old: Row | None
    new: Row | None


def key_of(row: Row) -> str | None:
    """The key of a row as it lies in Kafka; None where it cannot be read."""
    holder = row["chu"]
    return None if holder is not None and "/" in holder else f"{holder or '-'}/{row['ma']}"


def is_secret(row: Row) -> bool:
    """Whether it must never travel."""
    return bool(row["mat"] == SECRET)


def worth_of(row: Row) -> int | None:
    """What is to be published of a row that may and can be; None for any other."""
    fits = key_of(row) is not None and not is_secret(row) and row["gia"].isdigit()
    return int(row["gia"]) if fits else None


class Table:
    """Two tables. Each write has a worth of its own, by which it is known again wherever it turns up.

    With `own_ids` a row's key is its record's id, and a change tells nothing of the row before. Without, several rows
    may have one record id, of different holders, and it may change. Once they have `grown`, rows have one more column.
    """

    def __init__(self, random: Random, *, own_ids: bool) -> None:
        self.rows: dict[str, dict[str, Row]] = {dataset: {} for dataset in DATASETS}
        self.past: dict[tuple[str, str], list[int | None]] = {}
        self.secrets: set[str] = set()
        self.grown = False
        self._random = random
        self._own_ids = own_ids
        self._worths = count(1)
        self._former: dict[tuple[str, str], Row] = {}
        self._keys: dict[tuple[str, str], set[str]] = {}

    def transaction(self) -> list[Write]:
        """Some writes, done."""
        found: list[Write] = []
        for _ in range(self._random.choice((1, 1, 2, 4, 7))):
            dataset = self._random.choice(DATASETS)
            for one in self._some(dataset, f"r{self._random.randrange(6)}"):
                more = {"moi": "1"} if self.grown else {}
                write = one if one.new is None else one._replace(new=one.new | more)
                self._do(write)
                found.append(write)
        return found

    def truncate(self, dataset: str) -> None:
        """Empty a table."""
        for row in list(self.rows[dataset].values()):
            self._do(Write(dataset, row, None))

    def _some(self, dataset: str, so: str) -> Iterator[Write]:
        random, old = self._random, self.rows[dataset].get(so)
        if old is None:
            yield from self._to(dataset, None, self._fresh(so))
            return
        worth = str(next(self._worths))
        match random.choice(
            ("worth", "worth", "move", "move", "secret", "unfit", "unkeyed", "gone", "anew", "back", "id")
        ):
            case "worth":
                yield from self._to(dataset, old, old | {"gia": worth})
            case "move":
                yield from self._to(dataset, old, old | {"gia": worth, "chu": random.choice(_HOLDERS)})
            case "secret":
                mark = random.choice((SECRET, SECRET, ""))
                yield from self._to(dataset, old, old | {"gia": worth, "mat": mark})
            case "unfit":
                yield from self._to(dataset, old, old | {"gia": f"x{worth}"})
            case "unkeyed":
                yield from self._to(dataset, old, old | {"gia": worth, "chu": "p/9"})
            case "gone":
                yield Write(dataset, old, None)
            case "anew":
                yield Write(dataset, old, None)
                yield from self._to(dataset, None, self._fresh(so))
            case "back":
                former = self._former.get((dataset, so), old)
                yield from self._to(dataset, old, old if is_secret(former) else former)
            case _:
                ma = old["ma"] if self._own_ids else f"r{random.randrange(4)}"
                yield from self._to(dataset, old, old | {"gia": worth, "ma": ma})

    def _fresh(self, so: str) -> Row:
        ma = so if self._own_ids else f"r{self._random.randrange(4)}"
        return {"so": so, "ma": ma, "chu": self._random.choice(_HOLDERS), "gia": str(next(self._worths)), "mat": ""}

    def _to(self, dataset: str, old: Row | None, new: Row) -> Iterator[Write]:
        """The write, unless another row has the key that this one would get."""
        key = key_of(new)
        others = (row for so, row in self.rows[dataset].items() if so != new["so"])
        if key is None or all(key_of(row) != key for row in others):
            yield Write(dataset, old, new)

    def _do(self, write: Write) -> None:
        dataset, old, new = write
        row = new or old
        assert row is not None
        place = (dataset, row["so"])
        if old is not None:
            self._former[place] = old
        if new is None:
            del self.rows[dataset][row["so"]]
        else:
            self.rows[dataset][row["so"]] = new
            if is_secret(new):
                self.secrets.add(new["gia"])
        self._remember(dataset, self._left(place, old, new), new)

    def _left(self, place: tuple[str, str], old: Row | None, new: Row | None) -> set[str]:
        """Under which keys the record is no more."""
        kept = None if new is None or is_secret(new) else key_of(new)
        if self._own_ids:
            keys = self._keys.setdefault(place, set())
            keys |= {key for row in (old, new) if row is not None and (key := key_of(row)) is not None}
            unreadable = new is not None and not is_secret(new) and kept is None
            return set() if unreadable else keys - {kept}
        return {key for row in (old, new) if row is not None and (key := key_of(row)) is not None} - {kept}

    def _remember(self, dataset: str, left: set[str], new: Row | None) -> None:
        for key in left:
            self.past.setdefault((dataset, key), []).append(None)
        if new is not None and (worth := worth_of(new)) is not None:
            self.past.setdefault((dataset, key_of(new) or ""), []).append(worth)
