"""A connector as a process: `bus serve connector NAME`."""

import asyncio
import json
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from bus.avro.access import registry_access
from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.clock import monotonic
from bus.connect.folder import failure, lines_of, load_folder, remembered, remembered_names
from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.connect.recall import Reach, read_standings
from bus.connect.runner import Runner
from bus.connect.source import Position, Source
from bus.errors import (
    BusError,
    ConnectorFolderWrong,
    ConnectorSettingMissing,
    ConnectorSettingsUnreadable,
    ConnectorUnregistered,
    ManifestWrong,
    NoSuchConnector,
    SourceFailed,
    SourceUnfit,
    SourceUnreachable,
)
from bus.kafka.rights import connector_user
from bus.kafka.transactions import told_already
from bus.platform.home import Home
from bus.platform.reach import kafka_access
from bus.settings import ConnectSettings, KafkaSettings, Settings
from bus.telemetry import Event, configure, emit
from bus.topics import Topics

GROUP = "bus.connectors"
"""The entry point group: name of a connector → its source class, whose `manifest` describes it."""

PATIENCE_SECONDS = 0.9
"""How long the step under way may take after SIGTERM; what is cut off is aborted, and published after the restart."""


def run(name: str, settings: Settings) -> None:
    """Serve one connector until SIGTERM or SIGINT. Raises what trying again cannot mend.

    What an integrator's own code raises comes as SourceFailed.
    """
    configure(connector_user(name))
    folder = remembered(settings.home_path, name)
    try:
        asyncio.run(_serve(name, settings))
    except BusError:
        raise
    except Exception as error:
        if folder is None or not lines_of(error, folder):
            raise
        raise SourceFailed(connector=name, reason=failure(error, folder)) from None


def names() -> list[str]:
    """Every connector that is installed here."""
    return sorted(point.name for point in entry_points(group=GROUP))


def source_class(name: str) -> Any:
    """The source class of an installed connector. Raises NoSuchConnector, ConnectorFolderWrong, ManifestWrong."""
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _loaded(point)
    raise NoSuchConnector(name=name, known=", ".join(names()) or "none")


def _loaded(point: EntryPoint) -> Any:
    try:
        return point.load()
    except BusError:
        raise
    except Exception as error:
        mend = f"Install its package anew, or take the entry point {point.name} out of it."
        raise ConnectorFolderWrong(folder=point.value, reason=failure(error, None), mend=mend) from error


def names_here(settings: Settings) -> list[str]:
    """Every connector that is installed, or whose folder this home remembers."""
    return sorted({*names(), *remembered_names(settings.home_path)})


def class_here(name: str, settings: Settings) -> Any:
    """The source class of a connector of this home: of its folder, where one is remembered, else the installed one.

    Raises NoSuchConnector, ConnectorFolderWrong, ManifestWrong.
    """
    folder = remembered(settings.home_path, name)
    if folder is not None:
        return load_folder(folder)
    if name not in names():
        raise NoSuchConnector(name=name, known=", ".join(names_here(settings)) or "none")
    return source_class(name)


def make_source(name: str, settings: Settings) -> tuple[Source, Manifest]:
    """A connector's source with its settings, and its manifest.

    Raises NoSuchConnector, ConnectorFolderWrong, ConnectorSettingsUnreadable, ConnectorSettingMissing.
    """
    found = class_here(name, settings)
    source: Source = found(Place(name, settings.prefix, source_settings(name, settings)))
    manifest: Manifest = found.manifest
    return source, manifest


UNMADE = (
    NoSuchConnector,
    ConnectorFolderWrong,
    ManifestWrong,
    ConnectorSettingsUnreadable,
    ConnectorSettingMissing,
)
"""Why there may be no source of a connector: its folder, its package or its settings are gone."""


@dataclass(frozen=True, slots=True)
class Gone:
    """What stands in for a source that cannot be made any more, where its connector is to be taken down."""

    why: BusError

    async def forget(self, _: Position | None) -> None:
        """Nobody can be asked to. Raises why."""
        raise self.why

    async def close(self) -> None:
        """Nothing is open."""

    def require(self, known: Iterable[str]) -> None:
        """Raises NoSuchConnector for a name that is not among those that the bus knows either."""
        if isinstance(self.why, NoSuchConnector) and str(self.why.details["name"]) not in known:
            raise self.why


def last_source(name: str, settings: Settings, *, force: bool = False) -> Source | Gone:
    """A connector's source, for the last time. Raises UNMADE, unless forced."""
    try:
        return make_source(name, settings)[0]
    except UNMADE as error:
        if not force:
            raise
        return Gone(error)


async def leave(name: str, settings: Settings, source: Source | Gone, reach: Reach, *, force: bool = False) -> str:
    """Have a source take away what it made for its connector; returns what stays there and why, empty for nothing.

    `reach` is an administrator's: where the connector stands says which traces there are its own. Raises
    SourceUnreachable, SourceUnfit, unless forced.
    """
    forget = getattr(source, "forget", None)
    if forget is None:
        return ""
    async with SchemaRegistryClient(reach.registry) as client:
        stood = (await read_standings(reach, OwnMessages(client))).get(name)
    try:
        await forget(stood and stood[0].stream)
    except (SourceUnreachable, SourceUnfit, *UNMADE) as error:
        if not force:
            raise
        return f"{_traces(name, settings)} ({error})"
    return ""


def _traces(name: str, settings: Settings) -> str:
    """What a connector made at its source, as far as its class can say it without asking there."""
    try:
        found: str = class_here(name, settings).traces(Place(name, settings.prefix, {}))
    except (*UNMADE, AttributeError):
        return "whatever it made there"
    return found


def settings_file(name: str, settings: Settings) -> Path:
    """Where the settings of a connector's source lie: a JSON object, mode 0600, for it holds passwords."""
    return settings.home_path / "connectors" / f"{name}.json"


def proposals_folder(name: str, settings: Settings) -> Path:
    """Where a connector writes the fields that new columns of its source could become."""
    return settings.home_path / "connectors" / f"{name}.proposed"


def source_settings(name: str, settings: Settings) -> dict[str, str]:
    """Those settings. Raises ConnectorSettingsUnreadable."""
    file = settings_file(name, settings)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConnectorSettingsUnreadable(connector=name, file=file, reason="is not there") from None
    except OSError as error:
        raise ConnectorSettingsUnreadable(connector=name, file=file, reason=f"({error.strerror})") from None
    except json.JSONDecodeError as error:  # no cause is kept: it holds the whole text
        raise ConnectorSettingsUnreadable(
            connector=name, file=file, reason=f"is no JSON from line {error.lineno} on"
        ) from None
    except ValueError:
        raise ConnectorSettingsUnreadable(connector=name, file=file, reason="is not written in UTF-8") from None
    if not isinstance(found, dict):
        raise ConnectorSettingsUnreadable(connector=name, file=file, reason="is no JSON object")
    return {str(key): str(value) for key, value in found.items()}


def reach_of(user: str, settings: Settings) -> Reach:
    """How `user` reaches the bus that the settings name."""
    home = Home.from_settings(settings)
    return Reach(
        kafka_access(settings, KafkaSettings(), home, user),
        registry_access(settings, home),
        Topics(settings.prefix, settings.lanes),
        ConnectSettings().transaction_timeout_ms,
    )


def own_reach(name: str, settings: Settings) -> Reach:
    """How a connector reaches the bus, as its own user. Raises ConnectorUnregistered where the local bus has none."""
    user = connector_user(name)
    if not settings.kafka and not Home.from_settings(settings).has_secret(f"users/{user}"):
        raise ConnectorUnregistered(connector=name)
    return reach_of(user, settings)


async def _serve(name: str, settings: Settings) -> None:
    user = connector_user(name)
    source, manifest = make_source(name, settings)
    runner = Runner(source, manifest, own_reach(name, settings), proposals_folder(name, settings))
    stopping = asyncio.Event()

    def ask_to_stop() -> None:
        emit(Event.PROCESS_STOPPING)
        runner.stop()
        stopping.set()

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(told_already)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask_to_stop)
    running = asyncio.create_task(runner.run())
    announcing = asyncio.create_task(_announce(runner, Home.from_settings(settings), user))
    await asyncio.wait({running, asyncio.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
    announcing.cancel()
    Home.from_settings(settings).withdraw_own(user)
    await _ended(running)


async def _announce(runner: Runner, home: Home, user: str) -> None:
    began = monotonic()
    await runner.ready.wait()
    home.announce(user)
    emit(Event.PROCESS_STARTED, seconds=round(monotonic() - began, 2))


async def _ended(running: "asyncio.Task[None]") -> None:
    """Wait for the end, a little; then cut off. Raises the error that ended it, if one did."""
    done, _ = await asyncio.wait({running}, timeout=PATIENCE_SECONDS)
    if not done:
        running.cancel()
        await asyncio.wait({running}, timeout=PATIENCE_SECONDS)
    elif not running.cancelled():
        running.result()
