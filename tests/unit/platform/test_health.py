"""What `bus status` sees."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable

from bus.platform.health import Health, survey
from bus.platform.hold import hold
from bus.platform.home import Home
from bus.platform.ports import free_port
from bus.platform.processes import ProcessSpec, Supervisor
from bus.settings import Settings

Shell = Callable[..., ProcessSpec]
LOCAL = Settings(kafka=None, postgres=None, schema_registry=None)


async def test_each_process_is_seen_as_it_fares(home: Home, parent: Supervisor, shell: Shell) -> None:
    """One that serves, one that has not said so, one that is silent, halted or dead must be told apart."""
    silent = free_port()
    await parent.start(shell("serves"))
    await parent.start(shell("quiet", f'echo "{{\\"port\\": {silent}}}" > "$BUS_READY_FILE"; exec sleep 100'))
    await parent.start(shell("thinks"))
    home.withdraw("thinks")
    await parent.start(shell("halted"))
    parent.kill("halted", signal.SIGSTOP)
    await asyncio.to_thread(os.waitpid, parent.record("halted").pid, os.WUNTRACED)
    dead = await parent.start(shell("dead"))
    parent._watcher.cancel() if parent._watcher else None
    parent.kill("dead", signal.SIGKILL)
    parent._children["dead"].popen.wait()
    found = survey(LOCAL, home)
    seen = {one.name: one for one in found.processes}
    assert {name: one.health for name, one in seen.items()} == {
        "serves": Health.READY,
        "quiet": Health.SILENT,
        "thinks": Health.STARTING,
        "halted": Health.HALTED,
        "dead": Health.DEAD,
    }
    assert seen["quiet"].address == f"127.0.0.1:{silent}"
    assert seen["dead"].pid is None
    assert seen["dead"].log == dead.log
    assert not found.all_ready


async def test_the_parent_is_named_and_all_of_it_is_json(home: Home, parent: Supervisor, shell: Shell) -> None:
    """A survey must turn into JSON whole, with the pid of the parent that holds the home."""
    await parent.start(shell("one"))
    with hold(home):
        told = json.loads(json.dumps(survey(LOCAL, home).as_json()))
    assert told["parent"] is not None
    assert told["all_ready"] is True
    assert told["processes"][0]["name"] == "one"
    assert told["processes"][0]["uptime_seconds"] >= 0


def test_an_empty_home_is_not_ready(home: Home) -> None:
    """Nothing running must not count as all being well."""
    found = survey(LOCAL, home)
    assert (found.processes, found.parent, found.all_ready) == ((), None, False)


async def test_ones_own_servers_are_shown_beside_what_runs(home: Home, parent: Supervisor, shell: Shell) -> None:
    """A Kafka of the user's own must be listed with its address and whether it answers, without a pid."""
    await parent.start(shell("one"))
    port = free_port()
    seen = survey(Settings(kafka=f"127.0.0.1:{port},127.0.0.1:1"), home).processes[-1]
    assert (seen.name, seen.address, seen.pid, seen.health) == (
        "kafka (yours)",
        f"127.0.0.1:{port}",
        None,
        Health.SILENT,
    )


def test_a_kafka_of_several_addresses_is_ready_when_one_of_them_answers(home: Home) -> None:
    """Clients go on to the next address, so one that is down must not make the whole bus look unready."""
    with socket.create_server(("127.0.0.1", 0)) as listener, hold(home):
        there, nowhere = f"127.0.0.1:{listener.getsockname()[1]}", f"127.0.0.1:{free_port()}"
        (seen,) = survey(Settings(kafka=f"{nowhere},{there}"), home).processes
        assert (seen.address, seen.health) == (there, Health.READY)
        (silent,) = survey(Settings(kafka=nowhere), home).processes
        assert (silent.address, silent.health) == (nowhere, Health.SILENT)
