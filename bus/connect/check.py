"""Whether a connector could run: its settings, its source, its manifest against source and schema. Changes nothing."""

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from bus.avro.datasets import Dataset, load_datasets
from bus.connect.files import drops, newest_ms
from bus.connect.findings import Finding, clock, error, file_clock, good, warning
from bus.connect.folder import SCHEMAS, code_of, failure
from bus.connect.founding import check_bus
from bus.connect.manifest import Manifest
from bus.connect.mapping import Mapper
from bus.connect.place import Place
from bus.connect.postgres.check import check_postgres
from bus.connect.propose import guesses
from bus.connect.recall import Reach
from bus.connect.spec import spec, without_secrets
from bus.connect.sql_discover import server_clock
from bus.connect.tables import ENDINGS
from bus.errors import BusError
from bus.kafka.rights import connector_user

TIMEOUT_SECONDS = 5.0


async def check(found: Any, place: Place, folder: Path | None = None, reach: Reach | None = None) -> list[Finding]:
    """Every finding about a source class with these settings; with a folder, about its schemas too.

    With a reach, also whether the bus is the one that the connector is set up for.
    """
    manifest: Manifest = found.manifest
    findings = _settings(found, place)
    if folder is not None:
        findings += check_schemas(manifest, folder)
    if not any(finding.remedy for finding in findings[:1]):
        findings += await _source(found, manifest, place)
    if reach is not None:
        own_user = reach.topics.user(connector_user(manifest.name))  # whom only a registration makes
        own = reach.access.username == own_user
        findings += await check_bus(reach, manifest.name, manifest.datasets, registered=own)
    return [
        Finding(one.weight, without_secrets(one.what, place.settings), without_secrets(one.remedy, place.settings))
        for one in findings
    ]


def check_schemas(manifest: Manifest, folder: Path) -> list[Finding]:
    """Whether the schemas in a folder are sound and the manifest fills them, and which guesses stand unconfirmed."""
    try:
        datasets = load_datasets(folder / SCHEMAS)
    except BusError as wrong:
        return [error(str(wrong), wrong.how_to_mend)]
    return [finding for name in manifest.datasets for finding in _dataset(manifest, name, datasets)]


def _dataset(manifest: Manifest, name: str, datasets: Mapping[str, Dataset]) -> list[Finding]:
    if name not in datasets:
        remedy = f"Write {SCHEMAS}/{name.replace('.', '/', 1)}.avsc, or take the dataset out of the manifest."
        return [error(f"{name} has no schema", remedy)]
    try:
        Mapper(datasets[name], manifest.datasets[name], manifest.written_in)
    except BusError as wrong:
        return [error(str(wrong), wrong.how_to_mend)]
    open_guesses = guesses(datasets[name].schema)
    if open_guesses:
        remedy = f"Decide, and take the marks away; the first: {open_guesses[0]}."
        return [warning(f"{name} has {len(open_guesses)} guesses that nobody has confirmed", remedy)]
    return [good(f"{name}: the manifest fills its schema")]


def _settings(found: Any, place: Place) -> list[Finding]:
    required = spec(found.manifest, found).get("required", ())
    if missing := [one for one in required if not place.settings.get(one)]:
        name = place.connector
        remedy = f"Put it into connectors/{name}.json in BUS_HOME; `bus connector spec {name}` tells its form."
        return [error(f"the setting {one} is missing", remedy) for one in missing]
    return [good("every setting is there")]


async def _source(found: Any, manifest: Manifest, place: Place) -> list[Finding]:
    if manifest.kind == "postgres":
        return await check_postgres(manifest, place)
    try:
        source = found(place)
        try:
            await source.open(None)  # it makes nothing in a source of these kinds
            await source.head()
        finally:
            await source.close()
    except BusError as wrong:
        return [error(str(wrong), wrong.how_to_mend)]
    except OSError as wrong:
        what = f"the source cannot be reached: {wrong.filename or 'its system'} ({wrong.strerror})"
        return [error(what, "Check the settings: is it there, and may this user use it?")]
    except Exception as wrong:  # noqa: BLE001 - an integrator's own source may raise anything, and quote its settings
        what = f"the source fails with {failure(wrong, code_of(found))}"
        return [error(what, "Mend that line of the source, or the settings that it was given.")]
    findings = [good("the source answers")]
    if manifest.kind == "feed":
        findings += await _feed_clock(place)
    if manifest.kind == "files":
        findings += await asyncio.to_thread(_files, manifest, place.folder("folder"))
    if manifest.kind == "sql" and (theirs := await asyncio.to_thread(server_clock, place.setting("url"))) is not None:
        findings.append(clock(theirs))
    return findings


def _files(manifest: Manifest, folder: Path) -> list[Finding]:
    """What the names of the files in a folder tell, and the newest time of one."""
    paths = [path for path in folder.iterdir() if path.is_file()]
    read = drops(manifest, paths)
    newest = newest_ms(folder)
    findings = [] if newest is None else [file_clock(newest)]
    if paths and not read:
        origin = next(iter(manifest.datasets.values())).origin
        remedy = f"A name is its dataset's origin, full or delta, and a rank: {origin}-full-1.csv is one."
        findings.append(warning(f"of {len(paths)} files in its folder none has a name that is read", remedy))
    begins = tuple(f"{rule.origin}-{how}-".lower() for rule in manifest.datasets.values() for how in ("full", "delta"))
    passed_over = {path.name for path in paths if path.name.lower().startswith(begins)} - {
        one.path.name for one in read
    }
    passed_over -= {f"{one.path.name}.confirmed" for one in read}
    if passed_over:
        remedy = f"Behind the rank stands one of .{', .'.join(ENDINGS)}: unpack what is packed."
        findings.append(warning(f"{', '.join(sorted(passed_over))}: not read, for their names end otherwise", remedy))
    for earlier, later in pairwise(read):
        if earlier.rank == later.rank:
            remedy = "Ranks are one row of numbers for all datasets of a connector: give the second a higher one."
            what = f"{earlier.path.name} and {later.path.name} have one rank: only the first of them is read"
            findings.append(warning(what, remedy))
    return findings


async def _feed_clock(place: Place) -> list[Finding]:
    """The clock of an HTTP service, from the header that almost every service sends."""
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            told = (await client.get(place.setting("url"))).headers.get("date")
        theirs = parsedate_to_datetime(told) if told else None
    except (httpx.HTTPError, ValueError):
        theirs = None
    return [] if theirs is None else [clock(theirs.timestamp() * 1000)]
