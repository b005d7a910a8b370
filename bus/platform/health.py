"""What runs in a home and how it fares: the answer of `bus status`."""

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import psutil

from bus.clock import now_ms
from bus.platform import kafka, postgres
from bus.platform.hold import holder
from bus.platform.home import Home
from bus.platform.ports import LOOPBACK, accepts, address
from bus.platform.reach import SCHEMA_REGISTRY
from bus.platform.records import ProcessRecord, find_running, recorded
from bus.settings import Settings

Asked = Callable[[], str]
"""Asks a server; returns why it is of no use, in words, or nothing."""

_USUAL_PORT = {kafka.NAME: 9092, postgres.NAME: 5432, SCHEMA_REGISTRY: 80}


class Health(StrEnum):
    """How a process fares."""

    READY = "ready"
    STARTING = "starting"
    SILENT = "silent"  # it lives, and its port accepts nothing
    UNFIT = "unfit"  # one of the user's own that accepts, and answers so that the bus cannot use it
    HALTED = "halted"  # it lives, and a signal (SIGSTOP) keeps it from running: what it held is as good as dead
    DEAD = "dead"  # it has ended without being asked to; its parent, if there is one, starts it again


@dataclass(frozen=True, slots=True)
class Seen:
    """One process, as it was found. One of the user's own has no pid; `address` is host:port, or empty."""

    name: str
    pid: int | None
    address: str
    uptime_seconds: int | None
    health: Health
    restarts: int
    log: str
    coming: str = ""
    """How far a long start has come, in the words of the process."""
    trouble: str = ""
    """Why one of the user's own is unfit."""


@dataclass(frozen=True, slots=True)
class Survey:
    """All that runs in a home. `parent` is the process that holds it; without one nothing is started again."""

    home: str
    parent: int | None
    processes: tuple[Seen, ...]

    @property
    def all_ready(self) -> bool:
        """Whether something runs and all of it is ready."""
        return bool(self.processes) and all(seen.health is Health.READY for seen in self.processes)

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {**asdict(self), "all_ready": self.all_ready}


def survey(settings: Settings, home: Home, registry: Asked | None = None) -> Survey:
    """Look at every process that was started in the home, and at the user's own servers when anything runs there.

    `registry` asks a schema registry of the user's own, once it accepts.
    """
    running = find_running(home)
    alive = {record.pid for record in running}
    dead = [record for record in recorded(home) if record.pid not in alive]
    seen = [_seen(home, record, alive=True) for record in running] + [_seen(home, dead, alive=False) for dead in dead]
    parent = holder(home)
    return Survey(str(home.path), parent, tuple(seen + (_own(settings, registry) if seen or parent else [])))


def _seen(home: Home, record: ProcessRecord, *, alive: bool) -> Seen:
    told, process = home.endpoint(record.name), record.process()
    port, host = (told or {}).get("port") or record.port, (told or {}).get("host", LOOPBACK)
    return Seen(
        name=record.name,
        pid=record.pid if alive else None,
        address=address({"host": host, "port": port}) if port else "",
        uptime_seconds=max(0, now_ms() - record.started_ms) // 1000 if alive else None,
        health=Health.HALTED if _halted(process) else _health(alive=alive, told=told is not None, port=port, host=host),
        restarts=record.restarts,
        log=record.log,
        coming="" if told else home.coming(record.name),
    )


def _halted(process: psutil.Process | None) -> bool:
    """Its port accepts all the same, for that is done by the system."""
    with contextlib.suppress(psutil.Error):
        return process is not None and process.status() == psutil.STATUS_STOPPED
    return False


def _health(*, alive: bool, told: bool, port: int | None, host: str) -> Health:
    if not alive:
        return Health.DEAD
    if not told:
        return Health.STARTING
    return Health.READY if port is None or accepts(port, host=host) else Health.SILENT


def _own(settings: Settings, registry: Asked | None) -> list[Seen]:
    """The user's own servers, which the bus neither starts nor ends."""
    named = {
        kafka.NAME: [f"kafka://{one}" for one in (settings.kafka or "").split(",") if one],
        postgres.NAME: [settings.postgres or ""],
        SCHEMA_REGISTRY: [settings.schema_registry or ""],
    }
    seen = [_own_seen(name, urls) for name, urls in named.items() if urls and urls[0]]
    accepts_us = bool(settings.schema_registry) and seen[-1].health is Health.READY
    if registry is not None and accepts_us and (trouble := registry()):
        seen[-1] = replace(seen[-1], health=Health.UNFIT, trouble=trouble)
    return seen


def _own_seen(name: str, urls: list[str]) -> Seen:
    """Of several addresses the first that accepts; as clients do, who need one of them."""
    seen = [_at(name, url) for url in urls]
    return next((one for one in seen if one.health is Health.READY), seen[0])


def _at(name: str, url: str) -> Seen:
    place = urlsplit(url)
    host, port = place.hostname or LOOPBACK, place.port or (443 if place.scheme == "https" else _USUAL_PORT[name])
    health = Health.READY if accepts(port, host=host, timeout_seconds=2) else Health.SILENT
    return Seen(f"{name} (yours)", None, f"{host}:{port}", None, health, 0, "")
