"""`python -m bus.platform.alive NAME`: the health check of one process that has no parent here, as in a container."""

import sys

import psutil

from bus.platform.home import Home
from bus.settings import Settings


def is_alive(home: Home, name: str) -> bool:
    """Whether the process that announced itself as `name` still lives; a word of an earlier process counts as none."""
    told = home.endpoint(name)
    if told is None or "pid" not in told:
        return False
    try:
        born_ms = psutil.Process(told["pid"]).create_time() * 1000
    except psutil.NoSuchProcess:
        return False
    return bool(told.get("ready_ms", 0) >= born_ms)


if __name__ == "__main__":
    sys.exit(0 if is_alive(Home.from_settings(Settings()), sys.argv[1]) else 1)
