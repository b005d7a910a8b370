"""The independent checker, found by the entry point group `bus.check` and run as a process of its own."""

import asyncio
import json
import sys
from importlib.metadata import entry_points
from typing import Any

from bus.demo.parts import Parts
from bus.errors import CheckerFailed, WrongUse
from bus.platform.salts import Salts
from bus.register.epochs import FIRST_EPOCH

GROUP = "bus.check"
"""A function in a package that runs as `python -m`: a request on stdin, the verdict on stdout."""

QUOTED_LINES = 15


def checker_module() -> str:
    """The package to be run. Raises WrongUse when there is none, or more than one."""
    found = list(entry_points(group=GROUP))
    if len(found) != 1:
        raise WrongUse(
            what=f"{len(found)} checkers are installed, and one is needed",
            instead="Install the package whose entry point `bus.check` names it.",
        )
    return found[0].module


async def check(parts: Parts) -> dict[str, Any]:
    """The verdict on everything that the agencies hold now. Raises CheckerFailed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", checker_module()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaints = await process.communicate(json.dumps(request_of(parts)).encode())
    if process.returncode:
        last = b"\n".join(complaints.splitlines()[-QUOTED_LINES:]).decode("utf-8", "replace")
        raise CheckerFailed(code=process.returncode, last=last)
    verdict: dict[str, Any] = json.loads(told)
    return verdict


def request_of(parts: Parts) -> dict[str, Any]:
    """How the checker reaches the bus and the registries. It holds secrets: by stdin, never by argument or file."""
    salts = Salts(parts.home)
    return {
        "kafka": parts.access.for_confluent(),
        "prefix": parts.topics.prefix,
        "schema_registry": parts.registry.url,
        "schema_registry_headers": parts.registry.headers,
        "root_key": parts.home.root_key().hex(),
        "salts": {one: salts.salt(one, FIRST_EPOCH.number).hex() for one in parts.register.state.epochs},
        "home": str(parts.home.path),
        "connectors": {connector.name: dict(connector.settings) for connector in parts.country.connectors(parts.place)},
    }
