"""Free TCP ports of the loopback interface."""

import random
import socket
from collections.abc import Mapping
from typing import Any

LOOPBACK = "127.0.0.1"

_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - to know them, not to listen there

_FIRST, _LAST = 20_000, 32_000
"""Below the range from which Linux and macOS take the near ends of outgoing connections, so that a port
picked now, and used again at the next start, is not lost to a passing connection."""


def free_port() -> int:
    """A port on which nobody listens now. Another process may take it before it is used: treat that as PortTaken."""
    for _ in range(100):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - nothing secret: it spreads those who pick at the same time
        if is_free(port):
            return port
    with socket.socket() as any_port:
        any_port.bind((LOOPBACK, 0))
        return int(any_port.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen on a port of the loopback interface."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def reached_at(listener: socket.socket) -> str:
    """The host at which processes of this machine reach a listener."""
    host = str(listener.getsockname()[0])
    return LOOPBACK if host in _EVERYWHERE else host


def address(told: Mapping[str, Any]) -> str:
    """`host:port` of a process, from what it announced."""
    host = told.get("host", LOOPBACK)
    return f"[{host}]:{told['port']}" if ":" in host else f"{host}:{told['port']}"


def accepts(port: int, *, host: str = LOOPBACK, timeout_seconds: float = 0.5) -> bool:
    """Whether somebody accepts connections on a port."""
    try:
        socket.create_connection((host, port), timeout=timeout_seconds).close()
    except OSError:
        return False
    return True
