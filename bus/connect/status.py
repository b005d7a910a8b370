"""How the connectors stand, from their committed positions and the heads of their sources."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.clock import monotonic
from bus.connect.folder import failure, remembered
from bus.connect.orders import Order, give
from bus.connect.process import make_source, names_here, reach_of, settings_file
from bus.connect.recall import read_standings
from bus.connect.source import Position, Source
from bus.connect.standing import OrderState, Outcome, Standing
from bus.errors import BusError, NeverRan, NoSuchConnector, NotCaughtUp, OrderRefused, SourceFailed
from bus.kafka.rights import OPERATOR
from bus.settings import Settings

POLL_SECONDS = 0.2

PATIENCE_SECONDS = 2.5
"""An idle connector writes its position about once a second, and asking a database for its head moves that head."""


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """One connector. `standing` None: it has published nothing yet. `at_ms`: when it last wrote where it stands.

    `caught_up`: whether everything that the source had when asked is published; None where it could not be asked, and
    then `trouble` says why, and `remedy` what to do about it.
    """

    name: str
    standing: Standing | None
    at_ms: int | None
    caught_up: bool | None
    trouble: str | None
    remedy: str | None = None


async def statuses(settings: Settings) -> list[ConnectorStatus]:
    """Every connector that has settings in this home; waits a moment for those that are about to catch up."""
    here = [name for name in names_here(settings) if settings_file(name, settings).exists()]
    asked = await asyncio.gather(*(_head(name, settings) for name in here))
    deadline = monotonic() + PATIENCE_SECONDS
    while True:
        found = await _standings(settings)
        shown = [_status(name, found.get(name), head) for name, head in zip(here, asked, strict=True)]
        if monotonic() > deadline or all(one.caught_up is not False for one in shown):
            return shown
        await asyncio.sleep(POLL_SECONDS)


async def until_caught_up(settings: Settings, connectors: Iterable[str], *, timeout_seconds: float) -> None:
    """Return once each connector has published everything that its source had at the time of the call.

    Raises NotCaughtUp, or the error of a source that cannot be asked.
    """
    waiting: dict[str, tuple[Source, Position]] = {}
    for name in connectors:
        source, _ = make_source(name, settings)
        try:
            waiting[name] = source, await source.head()
        finally:
            await source.close()
    deadline = monotonic() + timeout_seconds
    while waiting:
        for name, (standing, _) in (await _standings(settings)).items():
            if name in waiting and _reached(standing, *waiting[name]):
                del waiting[name]
        if waiting and monotonic() > deadline:
            raise NotCaughtUp(connectors=", ".join(sorted(waiting)), seconds=timeout_seconds)
        if waiting:
            await asyncio.sleep(POLL_SECONDS)


def _reached(standing: Standing, source: Source, head: Position) -> bool:
    return standing.snapshot is None and standing.stream is not None and source.passed(standing.stream, head)


async def order(settings: Settings, name: str, given: Order, *, timeout_seconds: float) -> Outcome | None:
    """Give an order and wait until the connector has taken it; None where it does not in that time: it will.

    Raises NoSuchConnector, NeverRan, and OrderRefused with the connector's reason.
    """
    reach = reach_of(OPERATOR, settings)
    async with SchemaRegistryClient(reach.registry) as client:
        own = OwnMessages(client)
        await own.prepare()
        ran = await read_standings(reach, own, wait=True)
        if name not in ran and name not in (here := names_here(settings)):
            raise NoSuchConnector(name=name, known=", ".join(sorted({*here, *ran})) or "none")
        if name not in ran:
            raise NeverRan(connector=name)
        await give(reach.access, reach.topics, own, name, given)
        deadline = monotonic() + timeout_seconds
        while monotonic() < deadline:
            standing, _ = (await read_standings(reach, own, wait=True))[name]
            for outcome in standing.orders:
                if outcome.order_id == given.order_id and outcome.state is OrderState.REFUSED:
                    raise OrderRefused(connector=name, order=outcome.kind, reason=outcome.reason)
                if outcome.order_id == given.order_id:
                    return outcome
            await asyncio.sleep(POLL_SECONDS)
    return None


async def _standings(settings: Settings) -> dict[str, tuple[Standing, int]]:
    reach = reach_of(OPERATOR, settings)
    async with SchemaRegistryClient(reach.registry) as client:
        return await read_standings(reach, OwnMessages(client))


async def _head(name: str, settings: Settings) -> tuple[Source, Position] | BusError:
    try:
        source, _ = make_source(name, settings)
        try:
            return source, await source.head()
        finally:
            await source.close()
    except BusError as error:
        return error
    except Exception as error:  # noqa: BLE001 - an integrator's own source may raise anything, and quote values
        return SourceFailed(connector=name, reason=failure(error, remembered(settings.home_path, name)))


def _status(name: str, found: tuple[Standing, int] | None, head: tuple[Source, Position] | BusError) -> ConnectorStatus:
    standing, at_ms = found or (None, None)
    if isinstance(head, BusError):
        return ConnectorStatus(name, standing, at_ms, None, str(head), head.how_to_mend)
    caught_up = standing is not None and _reached(standing, *head)
    return ConnectorStatus(name, standing, at_ms, caught_up, None)
