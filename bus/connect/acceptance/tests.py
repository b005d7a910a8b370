"""The tests: each one function, whose docstring is the sentence that must hold."""

import unicodedata
from collections import Counter
from typing import Any

from bus.connect.acceptance.case import Case, Result, Test, chunks, failed, not_shown, passed
from bus.connect.check import check
from bus.connect.findings import Weight
from bus.connect.mapping import RowUnfit
from bus.connect.place import Place
from bus.connect.source import SourceChange
from bus.connect.spec import secrets, spec
from bus.errors import BusError

WRONG = {
    "dsn": "postgresql://nobody:a-wrong-password@127.0.0.1:1/nothing",
    "url": "http://127.0.0.1:1",
    "folder": "/nowhere/at/all",
}
FAR = 1 << 40
NAME = "Nguyễn Thị Ánh"


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
    errors = [one.what for one in findings if one.weight is Weight.ERROR]
    return failed("; ".join(errors)) if errors else passed(f"{len(findings)} things were looked at")


async def rows_fit_their_schema(case: Case) -> Result:
    """Every row that is read becomes a record that its schema takes, under a key of its own."""
    told, total = [], 0
    async with case.source() as source:
        await source.open(None)
        for dataset in case.datasets:
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
            if pieces[: len(whole)] != whole:
                return failed(f"{dataset}: read in pieces it differs; do its rows change while it is tested?")
            shown += len(whole)
    return passed(f"{shown} rows, in pieces and at once") if shown else not_shown("the source holds no row")


async def _history_goes_on(case: Case, beginning: Any) -> Result:
    async with case.source() as source:
        await source.open(None)
        first = [one for one in await case.history(source, beginning) if isinstance(one, SourceChange)]
    if len(first) < 2:
        return not_shown("the source tells fewer than two changes")
    async with case.source() as source:
        await source.open(beginning)
        second = [one for one in await case.history(source, beginning) if isinstance(one, SourceChange)]
    if [one.change_id for one in first] != [one.change_id for one in second]:
        return failed("read again from the same place, it tells other changes")
    unique = len({one.change_id for one in first})
    return passed(f"{unique} changes, twice alike") if unique == len(first) else failed("two changes have one id")


async def a_future_position_is_refused(case: Case) -> Result:
    """A position that the source has not reached yet is refused, for reading on from it would lose changes."""
    if case.found.manifest.kind == "files":
        return not_shown("a folder may be cleared: a rank without its file is no error")
    async with case.source() as source:
        await source.open(None)
        head = await source.head()
        ahead = {name: value + FAR if name in {"lsn", "seq"} else value for name, value in head.items()}
        try:
            await source.open(ahead)
        except BusError as error:
            return passed(type(error).__name__)
    return failed("it was taken")


async def nulls_and_letters_stay_as_they_are(case: Case) -> Result:
    """An absent value becomes null, and a text comes out letter by letter, composed or decomposed as it came."""
    tried = 0
    async with case.source() as source:
        await source.open(None)
        for name, dataset in case.datasets.items():
            rows = await case.read(source, name)
            contract, rules = case.contract(source, name), case.found.manifest.datasets[name].rules()
            for field in dataset.fields:
                rule = rules.get(field.name)
                plain = rule is not None and rule.column is not None and rule.codes is None and rule.split is None
                if not rows or rule is None or not plain or rule.column not in rows[0]:
                    continue
                if field.name in dataset.record_id:
                    continue
                for value in _values(field.type, nullable=field.nullable):
                    tried += 1
                    found = contract.mapper.record({**rows[0], rule.column: value})[field.name]
                    if found != value:
                        return failed(f"{name}.{field.name} (column {rule.column}) is changed on its way")
    return passed(f"{tried} values, none changed") if tried else not_shown("no field takes its column as it is")


def _values(kind: Any, *, nullable: bool) -> list[Any]:
    texts = [unicodedata.normalize(form, NAME) for form in ("NFC", "NFD")] if kind == "string" else []
    return [*texts, *([None] if nullable else ())]


async def deletions_find_their_record(case: Case) -> Result:
    """What is deleted at the source can be erased: its row before, or its id, leads to the key that was published."""
    async with case.source() as source:
        position = await source.open(None)
        if source.old_rows:
            told = [one for one in await check(case.found, case.place) if "replica identity" in one.what]
            return failed("; ".join(one.what for one in told)) if told else passed("the source tells the row before")
        events = await case.history(source, position)
    gone = [one for one in events if isinstance(one, SourceChange) and one.new is None]
    if not gone:
        return not_shown("the source tells of no deletion")
    nameless = [one for one in gone if not one.record_id and one.old is None]
    return failed(f"{len(nameless)} deletions name no record") if nameless else passed(f"{len(gone)} deletions")


TESTS: tuple[Test, ...] = (
    wrong_settings_are_told,
    the_source_is_ready,
    rows_fit_their_schema,
    a_restart_goes_on_where_it_stood,
    a_future_position_is_refused,
    nulls_and_letters_stay_as_they_are,
    deletions_find_their_record,
)
