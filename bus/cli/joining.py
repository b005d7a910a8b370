"""`bus connector new|discover|spec|check|register`: how a registry comes to its connector."""

import asyncio
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bus.avro.datasets import Dataset, load_dataset, load_datasets
from bus.connect.discover import OAUTH, SETTINGS
from bus.connect.draft import Draft, Wish, draft
from bus.connect.findings import Finding, Weight, exit_code
from bus.connect.folder import SCHEMAS, is_folder, load_folder, remember, remembered
from bus.connect.manifest import Manifest
from bus.connect.mapping import Mapper
from bus.connect.place import Place
from bus.connect.process import class_here, names, own_reach, settings_file, source_settings
from bus.connect.propose import confirmed, guesses
from bus.connect.recall import Reach
from bus.connect.spec import spec
from bus.connect.wording import shown
from bus.errors import (
    ConnectorUnregistered,
    DatasetSchemaWrong,
    GuessesOpen,
    KafkaUnreachable,
    SchemaRegistryUnreachable,
    SettingMissing,
    WrongUse,
)
from bus.platform.home import Home
from bus.register.impact import Impact
from bus.register.registrar import ConnectorEntry, keep_settings
from bus.settings import Settings

_NAME, _REGISTRY = re.compile(r"[a-z][a-z0-9-]*"), re.compile(r"[a-z][a-z0-9]*")
_HIDDEN = {"dsn", "token", "client_secret"}
_STYLE = {Weight.GOOD: "green", Weight.WARNING: "yellow", Weight.ERROR: "red"}


def source_options(command: Any) -> Any:
    """The options by which a source is named that has no connector yet."""
    options = (
        click.option("--kind", type=click.Choice(sorted(SETTINGS)), help="How the source is read."),
        click.option("--registry", help="The registry whose datasets it publishes; by default the connector's name."),
        click.option("--dsn", help="postgres: postgresql://user:password@host:port/database."),
        click.option("--url", help="feed: address of the service; sql: of the database, as SQLAlchemy writes it."),
        click.option("--token", help="feed: its bearer token; or the next three."),
        click.option("--token-url", help="feed: where OAuth 2 client credentials get a token."),
        click.option("--client-id", help="feed: with --token-url."),
        click.option("--client-secret", help="feed: with --token-url; asked for where it is not given."),
        click.option("--drops", metavar="FOLDER", help="files: the folder into which the registry drops its files."),
        click.option("--feed-path", default="/feed", show_default=True, help="feed: where its entries are asked for."),
        click.option(
            "--table", "tables", multiple=True, help="Only this table or file stem; for a feed KIND=/path of its page."
        ),
        click.option("--key", multiple=True, help="A column that tells rows apart, where the source doesn't say it."),
        click.option("--subject", "subjects", multiple=True, help="A column with the personal id of whom rows are."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@source_options
@click.option("--folder", type=click.Path(path_type=Path), help="Where to write it; by default ./NAME.")
def new(name: str, folder: Path | None, **words: Any) -> None:
    """Write the folder of a new connector, from what its source holds.

    What is not given as an option is asked for. The settings of the source, its password among them, go to
    BUS_HOME/connectors/NAME.json and not into the folder.
    """
    from bus.connect.scaffold import write  # noqa: PLC0415 - keeps `bus --help` quick

    settings, target = Settings(), folder or Path(name)
    _require_free(name, target, settings)
    wish = _wish(name, **words)
    found = asyncio.run(draft(wish))
    for path in write(found.plan, target):
        click.echo(f"wrote {path}")
    keep_settings(Home.from_settings(settings), ConnectorEntry(name, wish.registry, wish.settings))
    remember(settings.home_path, name, target)
    _tell(found)
    click.echo(f"next: `bus connector check {name}`, then `bus connector register {name}`")


@click.command()
@source_options
def discover(**words: Any) -> None:
    """Show what a source holds as datasets that could be: schemas, with every guess marked, on stdout."""
    found = asyncio.run(draft(_wish("discovered", **words)))
    shown = [
        {"dataset": one.dataset, "origin": one.origin, "fields": one.rules, "schema": one.schema}
        for one in found.plan.proposals
    ]
    click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    for line in found.left_out:
        click.echo(f"left out: {line}", err=True)


@click.command("spec")
@click.argument("connector", metavar="NAME|FOLDER")
def spec_(connector: str) -> None:
    """Print which settings the connector's source takes, as a JSON Schema."""
    _, found, _ = located(connector, Settings())
    click.echo(json.dumps(spec(found.manifest, found), ensure_ascii=False, indent=2))


@click.command()
@click.argument("connector", metavar="NAME|FOLDER")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list alone.")
def check(connector: str, *, as_json: bool) -> None:
    """Look whether the connector could run: settings, source, tables, clocks, schemas, and the bus. Changes nothing.

    Ends with 0 when all is good, 1 with warnings, 2 when it cannot run.
    """
    from bus.connect.check import check as look  # noqa: PLC0415 - keeps `bus --help` quick

    settings = Settings()
    name, found, folder = located(connector, settings)
    place = Place(name, settings.prefix, _known_settings(name, settings))
    findings = asyncio.run(look(found, place, folder, _reach(name, settings)))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(one) for one in findings], ensure_ascii=False, indent=2))
    else:
        show(findings)
    raise SystemExit(exit_code(findings))


@click.command()
@click.argument("connector", metavar="NAME|FOLDER")
@click.option("--yes", is_flag=True, help="Write it without asking; what breaks an agreement is refused all the same.")
@click.option("--accept-guesses", is_flag=True, help="Take every guess as it is, and its mark out of the schemas.")
@click.option("--schemas", type=click.Path(path_type=Path), help="Where its schemas lie; by default in its folder.")
def register(connector: str, *, yes: bool, accept_guesses: bool, schemas: Path | None) -> None:
    """Bring a connector and its datasets onto the bus: topics, a Kafka user with its rights, settings.

    First it shows how the schemas differ from those of the register, whether older records can still be read, and
    which agreements and recipients would feel it; then it asks. What breaks an active agreement is refused.
    """
    settings = Settings()
    name, found, folder = located(connector, settings)
    entry = ConnectorEntry(name, found.manifest.registry, source_settings(name, settings))
    folder = schemas or (folder / SCHEMAS if folder else None)
    datasets = asyncio.run(_registered(settings, entry, _datasets(found.manifest, folder, accept_guesses), yes=yes))
    click.echo(f"registered {name} with {', '.join(datasets)}")
    click.echo(f"next: `bus connector run {name}`")


async def _registered(settings: Settings, entry: ConnectorEntry, datasets: list[Dataset], *, yes: bool) -> list[str]:
    from bus.wiring import Joining, join, joining  # noqa: PLC0415 - it imports every stage: not for --help

    async with joining(settings, datasets) as (registrar, impacts):
        for one in impacts:
            show_impact(one)
        refused = any(one.broken or one.incompatible for one in impacts)
        if not yes and not refused and not click.confirm("Register it so?"):
            raise click.Abort
        await join(registrar, Joining(entry, tuple(datasets)), impacts)
    return [dataset.name for dataset in datasets]


ALL = (new, discover, spec_, check, register)


def schemas_of(manifest: Manifest, folder: Path | None) -> dict[str, Dataset]:
    """The manifest's datasets from a folder of schemas, or of the country where there is none.

    Raises DatasetSchemaWrong.
    """
    if folder is None:
        from bus.wiring import country_plugin  # noqa: PLC0415 - it imports every stage: not for --help

        folder = country_plugin().schemas_dir
    known = load_datasets(folder)
    if missing := [name for name in manifest.datasets if name not in known]:
        place = folder / f"{missing[0].replace('.', '/', 1)}.avsc"
        raise DatasetSchemaWrong(place=shown(place), findings="it is not there, and the manifest names it")
    return {name: known[name] for name in manifest.datasets}


def _datasets(manifest: Manifest, folder: Path | None, accept: bool) -> list[Dataset]:  # noqa: FBT001 - an option
    """The manifest's datasets. Raises DatasetSchemaWrong, ManifestWrong, GuessesOpen."""
    known = schemas_of(manifest, folder)
    for name in manifest.datasets:
        if (found := guesses(known[name].schema)) and not accept:
            raise GuessesOpen(dataset=name, guesses="; ".join(found))
        if found and folder is not None:
            path = folder / f"{name.replace('.', '/', 1)}.avsc"
            text = json.dumps(confirmed(known[name].schema), ensure_ascii=False, indent=2)
            path.write_text(f"{text}\n", encoding="utf-8")
            known[name] = load_dataset(path)
    listed = [known[name] for name in manifest.datasets]
    for dataset in listed:
        Mapper(
            dataset, manifest.datasets[dataset.name], manifest.written_in
        )  # refuses a manifest that does not fill it
    return listed


def show_impact(one: Impact) -> None:
    """Print what a dataset's schema would change, and who would feel it."""
    click.echo(f"{one.dataset.name}: {'new' if one.is_new else 'known' if one.differences else 'unchanged'}")
    for line in one.differences:
        click.echo(f"  {line}")
    if not one.is_new:
        click.echo(f"  older records can{'not' if one.incompatible else ''} be read with it")
    for line in one.incompatible:
        click.echo(f"    {line}")
    for felt in one.felt:
        click.echo(f"  {felt.agreement} of {felt.recipient} ({felt.standing}): {felt.effect}, {felt.reason}")


def located(connector: str, settings: Settings) -> tuple[str, Any, Path | None]:
    """A connector's name, its source class, and its folder where it is one; this home remembers where that lies."""
    if is_folder(connector):
        folder = Path(connector)
        found = load_folder(folder)
        remember(settings.home_path, found.manifest.name, folder)
        return found.manifest.name, found, folder
    return connector, class_here(connector, settings), remembered(settings.home_path, connector)


def show(findings: list[Finding]) -> None:
    """Print findings, the good ones too: what was looked at counts as much as what is wrong."""
    console = Console(highlight=False, soft_wrap=True)
    for one in findings:
        console.print(f"[{_STYLE[one.weight]}]{one.weight.value:8}[/]", end="")
        console.print(one.what, markup=False)
        if one.remedy:
            console.print(f"          remedy: {one.remedy}", markup=False)


def _reach(name: str, settings: Settings) -> Reach | None:
    """How the connector reaches the bus, as when it runs; None where it can't: it is not registered, or no bus is up.

    Neither is trouble of the connector.
    """
    try:
        return own_reach(name, settings)
    except (ConnectorUnregistered, KafkaUnreachable, SchemaRegistryUnreachable, SettingMissing):
        return None


def _known_settings(name: str, settings: Settings) -> dict[str, str]:
    """Those of the home; none where there is no file, for the check says which are missing."""
    return source_settings(name, settings) if settings_file(name, settings).exists() else {}


def _wish(name: str, *, kind: str | None, registry: str | None, drops: str | None, **words: Any) -> Wish:
    """What was said, and what is asked for where it wasn't. Raises WrongUse."""
    chosen = kind or click.prompt("How is the source read?", type=click.Choice(sorted(SETTINGS)))
    given = {one: words.pop(one) for one in ("dsn", "url", "token", *OAUTH)} | {"folder": drops}
    needed = ("url", *OAUTH) if chosen == "feed" and given["token_url"] else SETTINGS[chosen]
    settings = {one: given[one] or click.prompt(one, hide_input=one in _HIDDEN or chosen == "sql") for one in needed}
    if chosen == "files":  # the connector will run elsewhere, as a service for instance
        settings["folder"] = str(Path(settings["folder"]).expanduser().absolute())
    if chosen == "feed" and not words["tables"]:
        words["tables"] = (click.prompt("One kind of entry and the path of its page, as person=/people"),)
    whose = registry or name.replace("-", "")
    _require_name("registry", whose, _REGISTRY, "lower-case letters and digits")
    return Wish(name, whose, chosen, settings, **words)


def _require_name(what: str, name: str, form: re.Pattern[str], instead: str) -> None:
    """Raises WrongUse for a name that a manifest would not take."""
    if not form.fullmatch(name):
        raise WrongUse(what=f"“{name}” cannot be the name of a {what}", instead=f"Use {instead}, a letter first.")


def _require_free(name: str, target: Path, settings: Settings) -> None:
    """Raises WrongUse for what is no name, and for that of another connector, whose settings would be lost."""
    _require_name("connector", name, _NAME, "lower-case letters, digits and hyphens")
    lies = remembered(settings.home_path, name)
    if name in names() or (lies is not None and lies.is_dir() and lies != target.absolute()):
        place = "installed here" if lies is None else f"in {shown(lies)}"
        instead = f"Take another name, or take that one down first with `bus connector remove {name}`."
        raise WrongUse(what=f"there is a connector {name} already, {place}", instead=instead)


def _tell(found: Draft) -> None:
    for line in found.left_out:
        click.echo(f"left out: {line}")
    for one in found.plan.proposals:
        click.echo(f"{one.origin} → {one.dataset}: {len(one.rules)} fields, {len(one.guesses)} guesses to confirm")
