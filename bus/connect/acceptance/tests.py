"""The tests: each one function, whose docstring is the sentence that must hold."""

import contextlib
import copy
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from unicodedata import normalize

from bus.connect.acceptance.case import Case, Result, Test, chunks, failed, not_shown, passed
from bus.connect.check import check
from bus.connect.findings import Weight
from bus.connect.mapping import RowUnfit
from bus.connect.place import Place
from bus.connect.publish import Contract
from bus.connect.source import ExportBegan, ExportEnded, Position, Row, Source, SourceChange, SourceEvent
from bus.connect.spec import secrets, spec
from bus.errors import BusError
from bus.model.change import Operation

WRONG = {
    "dsn": "postgresql://nobody:a-wrong-password@127.0.0.1:1/nothing",
    "url": "http://127.0.0.1:1",
    "folder": "/nowhere/at/all",
}
FAR = 1 << 40
NAME = "Nguyễn Thị Ánh"
_NO_FUTURE = {
    "files": "a folder may be cleared: a rank without its file is no error",
    "sql": "the newest row may be deleted: a version without its row is no error, and whole readings find the rest",
}


async def wrong_settings_are_told(case: Case) -> Result:
    """A setting that is missing, or leads nowhere, is told in words with a remedy, and no secret is printed."""
    required = spec(case.found.manifest, case.found).get("required", ())
    tried = 0
    for name in required:
        for value in ("", WRONG.get(name)):
            if value is None:
                continue
            settings = {**case.place.settings, name: value}
            findings = await check(case.found, Place(case.trial.connector, case.place.prefix, settings))
            errors = [one for one in findings if one.weight is Weight.ERROR and one.remedy]
            tried += 1
            if not errors:
                return failed(f"the setting {name}, {'wrong' if value else 'missing'}, is not noticed")
            told = " ".join(f"{one.what} {one.remedy}" for one in findings)
            if any(secret in told for secret in secrets(settings)):
                return failed(f"with a wrong {name}, a secret is printed")
    return passed(f"{tried} wrong settings were told")


async def the_source_is_ready(case: Case) -> Result:
    """The source answers, and everything that the connector needs of it is there."""
    findings = await check(case.found, case.place)
    errors = [f"{one.what}. Remedy: {one.remedy}" for one in findings if one.weight is Weight.ERROR]
    return failed(" ".join(errors)) if errors else passed(f"{len(findings)} things were looked at")


async def rows_fit_their_schema(case: Case) -> Result:
    """Every row that is read becomes a record that its schema takes, under a key of its own."""
    told, total = [], 0
    async with case.source() as source:
        await source.open(None)
        broken = await case.unreadable(source)
        for dataset in case.datasets:
            if torn := [one.reason for one in broken if one.dataset == dataset]:
                told.append(f"{dataset}: {len(torn)} rows cannot be read, the first: {torn[0]}")
            contract, unfit = case.contract(source, dataset), Counter[str]()
            rows = await case.read(source, dataset)
            for row in rows:
                try:
                    contract.mapper.key(row)
                    contract.value(row)
                except RowUnfit as error:
                    unfit[str(error)] += 1
            total += len(rows)
            told += [f"{dataset}: {count} rows: {reason}" for reason, count in unfit.most_common(5)]
    if told:
        return failed("; ".join(told))
    return passed(f"{total} rows fit") if total else not_shown("the source holds no row")


async def a_restart_goes_on_where_it_stood(case: Case) -> Result:
    """Read in small pieces with a new connection for each, or at once: the same rows in the same order, each once."""
    async with case.source() as source:
        position = await source.open(None)
        if not source.snapshots:
            return await _history_goes_on(case, position)
        shown = 0
        for dataset in case.datasets:
            whole = [row async for row in chunks(source, dataset, case.rows, case.rows)]
            pieces: list[Any] = []
            after = None
            while len(pieces) < len(whole):
                async with case.source() as again:
                    await again.open(position)
                    chunk = await again.chunk(dataset, after, max(1, len(whole) // 3))
                pieces += chunk.rows
                after = chunk.last_key
                if after is None:
                    break
            if len(pieces) < len(whole) or not all(map(_same, whole, pieces)):
                return failed(f"{dataset}: read in pieces it differs; do its rows change while it is tested?")
            shown += len(whole)
    return passed(f"{shown} rows, in pieces and at once") if shown else not_shown("the source holds no row")


def _same(one: Row, other: Row) -> bool:
    """Whether two rows are alike. A number that is none (NaN) is equal to nothing, and stays what it is."""
    return one.keys() == other.keys() and all(
        value == other[name] or repr(value) == repr(other[name]) for name, value in one.items()
    )


async def _history_goes_on(case: Case, beginning: Position) -> Result:
    async with case.source() as source:
        await source.open(None)
        told = [one for one in await case.history(source, beginning) if isinstance(one, SourceChange)]
    if len(told) < 2:
        return not_shown("the source tells fewer than two changes")
    first = [one.change_id for one in told]
    if len(set(first)) < len({(one.change_id, str(one.old), str(one.new)) for one in told}):
        return failed("two changes have one id")
    middle = len(told) // 2
    for begin, goes_on in ((beginning, first), (told[middle - 1].position, first[middle:])):
        async with case.source() as source:
            await source.open(begin)
            again = [one.change_id for one in await case.history(source, begin) if isinstance(one, SourceChange)]
        if not _goes_on(again, goes_on):
            return failed(f"read on after {len(first) - len(goes_on)} changes, it tells other changes")
    return passed(f"{len(first)} changes, from the beginning and from their middle")


def _goes_on(again: list[str], rest: list[str]) -> bool:
    """Whether the rest is told in its order; an export that was under way is told from its first row, before it."""
    if rest[0] not in again:
        return False
    found = again[again.index(rest[0]) :]
    return found[: len(rest)] == rest[: len(found)]


async def the_order_is_kept(case: Case) -> Result:
    """Places in the source's history only go forward, and a reading of everything meets each record once."""
    async with case.source() as source:
        position = await source.open(None)
        before = await source.head()
        events = await case.history(source, position)
        places = [position, *(one.position for one in events)]
        if any(not source.passed(later, earlier) for earlier, later in pairwise(places)):
            return failed("a place in its history lies before the one that came before it")
        if not source.passed(await source.head(), before):
            return failed("its newest place went back")
        count = 0
        for dataset in case.datasets:
            ids = await _ids(case, source, dataset, events)
            count += len(ids)
            if twice := len(ids) - len(set(ids)):
                return failed(f"{dataset}: {twice} records are met twice in one reading")
    return passed(f"{len(events)} places, {count} records")


async def _ids(case: Case, source: Source, dataset: str, events: Sequence[SourceEvent]) -> list[str]:
    """The record ids of one reading of a dataset: chunks, or the newest full export of the history."""
    if source.snapshots:
        rows = await case.read(source, dataset)
    else:
        rows = []
        for one in events:
            if isinstance(one, ExportBegan) and one.dataset == dataset:
                rows = []
            elif isinstance(one, SourceChange) and one.dataset == dataset and one.operation is Operation.READ:
                rows += [one.new] if one.new is not None else []
    mapper, found = case.contract(source, dataset).mapper, []
    for row in rows:
        with contextlib.suppress(RowUnfit):  # another test is about those
            found.append(mapper.record_id(row))
    return found


async def a_future_position_is_refused(case: Case) -> Result:
    """A position that the source has not reached yet is refused, for reading on from it would lose changes."""
    if (reason := _NO_FUTURE.get(case.found.manifest.kind)) is not None:
        return not_shown(reason)
    async with case.source() as source:
        await source.open(None)
        head = await source.head()
        ahead = {name: value + FAR if name in {"lsn", "seq"} else value for name, value in head.items()}
        try:
            await source.open(ahead)
        except BusError as error:
            return passed(f"refused, for {error.details.get('reason', error)}")
    return failed("it was taken")


async def nulls_and_letters_stay_as_they_are(case: Case) -> Result:
    """An absent value becomes null, and a text comes out letter by letter, composed or decomposed as it came."""
    tried = 0
    async with case.source() as source:
        await source.open(None)
        for name, dataset in case.datasets.items():
            contract, rules = case.contract(source, name), case.found.manifest.datasets[name].rules()
            rows = [
                row for row in await case.read(source, name) if _fits(contract, row)
            ]  # of others another test tells
            for field in dataset.fields:
                rule = rules.get(field.name)
                plain = rule is not None and rule.column is not None and rule.takes_text and rule.split is None
                if not rows or rule is None or not plain or rule.column not in rows[0]:
                    continue
                if field.name in dataset.record_id:
                    continue
                for value in _values(field.type, nullable=field.nullable):
                    tried += 1
                    found = contract.mapper.record(_changed(rows[0], rule.column, value))[field.name]
                    if found != (normalize(rule.unicode, value) if rule.unicode and value else value):
                        return failed(f"{name}.{field.name} (column {rule.column}) is changed on its way")
    return passed(f"{tried} values, none changed") if tried else not_shown("no field takes its column as it is")


def _fits(contract: Contract, row: Row) -> bool:
    try:
        contract.value(row)
    except RowUnfit:
        return False
    return True


def _changed(row: Row, column: str, value: Any) -> Row:
    """The row with another value; of its own type, which may know what an absent column means."""
    changed: Any = copy.copy(row)
    changed[column] = value
    return changed  # type: ignore[no-any-return] # the copy of a row is one


def _values(kind: Any, *, nullable: bool) -> list[Any]:
    texts = [normalize(form, NAME) for form in ("NFC", "NFD")] if kind == "string" else []
    return [*texts, *([None] if nullable else ())]


async def deletions_find_their_record(case: Case) -> Result:
    """What is deleted at the source can be erased: its row before, or its id, leads to the key that was published."""
    async with case.source() as source:
        position = await source.open(None)
        if source.old_rows:
            told = [one for one in await check(case.found, case.place) if "replica identity" in one.what]
            return failed("; ".join(one.what for one in told)) if told else passed("the source tells the row before")
        events = await case.history(source, position)
        found = []
        for dataset in case.datasets:
            ids = await _ids(case, source, dataset, events)
            if len(set(ids)) < len(ids):
                return failed(f"{dataset}: one id names several records, so that its deletion could not be found")
            found.append(len(ids))
    gone = [one for one in events if isinstance(one, SourceChange) and one.new is None]
    if nameless := [one for one in gone if not one.record_id and one.old is None]:
        return failed(f"{len(nameless)} deletions name no record")
    if not gone and not any(found):
        return not_shown("the source holds no row, and tells of no deletion")
    ended = sum(isinstance(one, ExportEnded) for one in events)
    whole = f", {ended} readings that tell what is gone" if ended else ""
    return passed(f"{sum(found)} records with ids of their own, {len(gone)} deletions{whole}")


TESTS: tuple[Test, ...] = (
    wrong_settings_are_told,
    the_source_is_ready,
    rows_fit_their_schema,
    a_restart_goes_on_where_it_stood,
    the_order_is_kept,
    a_future_position_is_refused,
    nulls_and_letters_stay_as_they_are,
    deletions_find_their_record,
)
