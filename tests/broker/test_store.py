"""What a router keeps on its disk, and what it makes of it when it starts again: on a real broker, as a process."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bus.route.store.stored import StoredState
from tests.broker.conftest import PERSON, SmallBus
from tests.broker.test_operators import AN, call, poison, register_the_schema, told
from tests.broker.test_route import TAX, assert_logged, people

pytestmark = pytest.mark.broker


def stores(bus: SmallBus) -> Path:
    return bus.settings.home_path / "data/route"


def files(bus: SmallBus) -> list[Path]:
    return sorted(stores(bus).glob("lane-*/data.mdb"))


def anew(bus: SmallBus) -> Counter[str]:
    """How often the log says that a store was built anew, by reason."""
    log = (bus.settings.home_path / "logs/route.log").read_text("utf-8")
    lines = [json.loads(line) for line in log.splitlines() if "store-anew" in line]
    return Counter(line["reason"] for line in lines)


async def deleted_and_changed(bus: SmallBus, ids: list[str], name: str) -> None:
    """The first is deleted, the others are changed, and the tax authority is told."""
    changes = [await bus.person(one, full_name=name) for one in ids[1:]]
    await bus.publish(bus.change(PERSON, ids[0], None), *changes)

    def told() -> bool:
        held = bus.held(TAX)
        return changes[-1].key in held and not gone & held.keys() and all(name.encode() in held[key] for key in rest)

    gone, rest = {f"{ids[0]}/{ids[0]}".encode()}, [change.key or b"" for change in changes]
    await bus.until(told, "the deletion and the changes")


def keep(bus: SmallBus, copy: Path) -> None:
    shutil.copytree(stores(bus), copy, dirs_exist_ok=True)


def restore(bus: SmallBus, copy: Path) -> None:
    shutil.rmtree(stores(bus))
    shutil.copytree(copy, stores(bus))


def delete(bus: SmallBus) -> None:
    shutil.rmtree(stores(bus))


def tear(bus: SmallBus) -> None:
    for file in files(bus):
        os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize("harm", [None, delete, tear])
async def test_after_a_kill(small_bus: SmallBus, harm: Callable[[SmallBus], None] | None) -> None:
    """A killed router goes on from its store, or, when that is deleted or torn, from one built anew: all the same."""
    bus, ids = small_bus, people(40)
    await bus.activate(TAX)
    await bus.route()
    await bus.publish(*[await bus.person(one) for one in ids])
    await bus.until(lambda: len(bus.held(TAX)) == len(ids), "everybody at the tax authority")
    first = anew(bus).total()
    bus.kill()
    await bus.supervisor.stop("route")
    if harm is not None:
        harm(bus)
    await bus.route()
    await deleted_and_changed(bus, ids, "Trần Thị Bình")
    assert (anew(bus).total() > first) is (harm is not None)
    await assert_logged(bus, TAX)


async def test_an_old_copy_and_one_from_nowhere(small_bus: SmallBus, tmp_path: Path) -> None:
    """An old copy of the store that is restored is brought up to date; one that is ahead is never trusted."""
    bus, ids, copy = small_bus, people(40), tmp_path / "copy"
    await bus.activate(TAX)
    await bus.route()
    await bus.publish(*[await bus.person(one) for one in ids])
    await bus.until(lambda: len(bus.held(TAX)) == len(ids), "everybody at the tax authority")
    await bus.supervisor.stop("route")
    keep(bus, copy)
    await bus.route()
    await deleted_and_changed(bus, ids[:20], "Trần Thị Bình")
    await bus.supervisor.stop("route")
    first = anew(bus)
    restore(bus, copy)
    await bus.route()
    await deleted_and_changed(bus, ids[20:], "Lê Văn Chi")
    assert anew(bus) == first
    await bus.supervisor.stop("route")
    for folder in stores(bus).iterdir():
        state = StoredState(folder)
        state.stand(replace(state.position, block=state.position.block + 1), state.stood_at)
        state.close(sync=True)
    await bus.route()
    await deleted_and_changed(bus, ids[19:21], "Phạm Thu Dung")
    assert anew(bus)["it is ahead of what was committed"] > 0
    await assert_logged(bus, TAX)


@pytest.mark.parametrize("older", [True, False])
async def test_a_released_letter_is_not_forgotten(bus: SmallBus, tmp_path: Path, *, older: bool) -> None:
    """A store from before a dead letter was released learns of it: it sends nothing older, and an end erases it."""
    await bus.activate(TAX)
    await bus.route()
    if older:
        await bus.publish(await bus.person(AN, full_name="Trần Thị Bình"))
        await bus.until(lambda: len(bus.held(TAX)) == 1, "the version before the poison")
    letter, schema_id = await poison(bus)
    await bus.supervisor.stop("route")
    keep(bus, tmp_path / "copy")
    await bus.route()
    await register_the_schema(bus, schema_id)
    assert (await told("deadletter", "release", letter, "--reason", "a test"))["outcome"] == "released"
    held = bus.held(TAX)
    await bus.supervisor.stop("route")
    restore(bus, tmp_path / "copy")
    first = anew(bus)
    await bus.route()
    await call("route", "backfill", TAX, "--reason", "a test")
    await bus.publish(await bus.person(people(1)[0]))
    await bus.until(lambda: len(bus.held(TAX)) == 2, "what came after")
    assert held.items() < bus.held(TAX).items()
    await bus.registrar.step(TAX, "ended", "a test")
    await bus.until(lambda: not bus.held(TAX), "the end of the agreement")
    assert anew(bus) == first


async def test_poison_that_was_followed(small_bus: SmallBus) -> None:
    """A lane whose store is gone begins although the log has what it could not read, and a newer version of it."""
    bus, ids = small_bus, people(2)
    await bus.activate(TAX)
    await bus.route()
    await bus.publish(bus.change(PERSON, ids[0], b"this is no Avro"), await bus.person(ids[0]))
    await bus.until(lambda: len(bus.held(TAX)) == 1, "the record after the poison")
    await bus.supervisor.stop("route")
    delete(bus)
    await bus.route()
    await bus.publish(await bus.person(ids[1]), await bus.person(ids[0], full_name="Trần Thị Bình"))
    await bus.until(lambda: len(bus.held(TAX)) == 2, "the other person", seconds=15)
    await assert_logged(bus, TAX)
