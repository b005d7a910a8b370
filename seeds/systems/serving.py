"""How a system of the country serves HTTP: with a bearer token, ready when its file says so."""

import argparse
import hmac
import json
import os
import socket
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Guarded:
    """Lets a request through only with `Authorization: Bearer <token>`."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request: 401 without the token."""
        if scope["type"] == "http" and not hmac.compare_digest(_authorization(scope), self._wanted):
            await refusal(401, "a bearer token is needed")(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def refusal(status: int, reason: str) -> JSONResponse:
    """An answer that says what was wrong; never with a personal value."""
    return JSONResponse({"error": reason}, status_code=status)


def arguments(description: str) -> argparse.ArgumentParser:
    """The options that every system takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder of the system's state")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--everywhere", action="store_true", help="listen on every interface, not on loopback alone")
    parser.add_argument("--token-file", type=Path, required=True, help="file with the bearer token")
    return parser


def serve(app: Starlette, given: argparse.Namespace) -> None:
    """Serve as `arguments` has it until SIGTERM or SIGINT; once listening, say so in the file of BUS_READY_FILE."""
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits 40 ms for an ACK
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("" if given.everywhere else "127.0.0.1", given.port))
        listener.listen(128)
        announced = Announced(app, listener.getsockname()[1])
        config = uvicorn.Config(announced, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[listener])


class Announced:
    """Announces the port once the app has started; connections wait in the listener's queue until then."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the app's life."""

        async def told(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                announce(self._port)
            await send(message)

        await self._app(scope, receive, told)


def announce(port: int) -> None:
    """Write `{"pid", "port"}` for whoever started this process, whole or not at all."""
    where = os.environ.get("BUS_READY_FILE")
    if not where:
        return
    path = Path(where)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    draft.write_text(json.dumps({"pid": os.getpid(), "port": port}), encoding="utf-8")
    draft.replace(path)


def _authorization(scope: Scope) -> bytes:
    found: bytes = dict(scope["headers"]).get(b"authorization", b"")
    return found
