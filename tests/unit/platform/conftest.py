"""Tiny children: a shell that does what it is told, in a home of its own."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bus.platform.home import Home
from bus.platform.processes import ProcessSpec, Supervisor

SERVE = 'echo "{\\"pid\\": $$}" > "$BUS_READY_FILE"; exec sleep 100'
"""Says that it serves, and lives until it is ended."""

Shell = Callable[..., ProcessSpec]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
async def parent(home: Home) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(home)
    yield supervisor
    await supervisor.stop_all()


@pytest.fixture
def shell() -> Shell:
    """Builds the specification of a shell that runs a script; by default one that serves."""

    def spec(name: str, script: str = SERVE, **details: Any) -> ProcessSpec:
        return ProcessSpec(name, ("/bin/sh", "-c", script), **{"ready_timeout_seconds": 10, **details})

    return spec
