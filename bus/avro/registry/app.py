"""The routes of the Confluent API over a store, as a Starlette application."""

import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bus.avro.access import SETTLED
from bus.avro.registry.codes import Code
from bus.avro.registry.reads import Reads
from bus.avro.registry.requests import answer
from bus.avro.registry.store import SchemaStore
from bus.avro.registry.writes import Writes
from bus.errors import BusError, RegistryRefusal
from bus.kafka.log import KafkaError
from bus.telemetry import Event, emit

Handler = Callable[[Request], Awaitable[Any]]

SUBJECT = "{subject:path}"
"""A subject may contain a slash."""


def application(store: SchemaStore, *, write_token: str | None = None) -> Starlette:
    """The API. With a token, changes need it: as a bearer token, or as the password of HTTP Basic. Reads are open."""
    reads, writes = Reads(store), Writes(store)

    def read(path: str, handler: Handler, method: str = "GET") -> Route:
        return Route(path, _answering(handler), methods=[method])

    def write(path: str, handler: Handler, method: str) -> Route:
        return Route(path, _answering(_guarded(handler, write_token)), methods=[method])

    return Starlette(
        routes=[
            read("/", reads.root),
            read("/schemas", reads.schemas),
            read("/schemas/types", reads.types),
            read("/schemas/ids/{id}", reads.schema),
            read("/schemas/ids/{id}/schema", reads.schema_text),
            read("/schemas/ids/{id}/subjects", reads.subjects_of_id),
            read("/schemas/ids/{id}/versions", reads.places),
            read("/subjects", reads.subjects),
            read(f"/subjects/{SUBJECT}/versions", reads.versions),
            write(f"/subjects/{SUBJECT}/versions", writes.register, "POST"),
            read(f"/subjects/{SUBJECT}/versions/{{version}}/schema", reads.version_text),
            read(f"/subjects/{SUBJECT}/versions/{{version}}/referencedby", reads.referenced_by),
            read(f"/subjects/{SUBJECT}/versions/{{version}}", reads.version),
            write(f"/subjects/{SUBJECT}/versions/{{version}}", writes.delete_version, "DELETE"),
            read(f"/subjects/{SUBJECT}", reads.lookup, "POST"),
            write(f"/subjects/{SUBJECT}", writes.delete_subject, "DELETE"),
            read(f"/compatibility/subjects/{SUBJECT}/versions/{{version}}", reads.compatibility, "POST"),
            read(f"/compatibility/subjects/{SUBJECT}/versions", reads.compatibility, "POST"),
            read("/config", reads.level),
            write("/config", writes.set_level, "PUT"),
            write("/config", writes.unset_level, "DELETE"),
            read(f"/config/{SUBJECT}", reads.level),
            write(f"/config/{SUBJECT}", writes.set_level, "PUT"),
            write(f"/config/{SUBJECT}", writes.unset_level, "DELETE"),
            read("/mode", reads.mode),
            write("/mode", writes.set_mode, "PUT"),
            read(f"/mode/{SUBJECT}", reads.mode),
            write(f"/mode/{SUBJECT}", writes.set_mode, "PUT"),
        ],
        exception_handlers={HTTPException: _no_route},
    )


def _answering(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answering(request: Request) -> Response:
        try:
            return answer(await handler(request))
        except RegistryRefusal as refusal:
            code = refusal.details["code"]
            assert isinstance(code, Code), "a refusal is made with a code of the API"
            return _error(code, str(refusal))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except (BusError, KafkaError, TimeoutError) as error:
            reason = f"{type(error).__name__}: {error}"
            emit(Event.SCHEMA_STORE_FAILED, reason=reason)
            return _error(Code.STORE_FAILED, f"the topic of schemas does not answer ({reason})")

    return answering


def _guarded(handler: Handler, token: str | None) -> Handler:
    async def guarded(request: Request) -> Any:
        if token is not None and not _knows(request, token):
            reason = "changes need the write token, as a bearer token or as the password of HTTP Basic"
            raise RegistryRefusal(code=Code.UNAUTHORIZED, reason=reason)
        if "origin" in request.headers and (token is None or not _bears(request)):
            reason = "a web page may change schemas only with the write token as a bearer token"
            raise RegistryRefusal(code=Code.NOT_PERMITTED, reason=reason)
        return await handler(request)

    return guarded


def _bears(request: Request) -> bool:
    """Whether the credentials are a bearer token: those of HTTP Basic a browser sends by itself, for any page."""
    return request.headers.get("authorization", "").lower().startswith("bearer ")


def _knows(request: Request, token: str) -> bool:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    given = credentials.strip()
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return secrets.compare_digest(given.encode(), token.encode())


async def _no_route(_request: Request, error: Exception) -> Response:
    """An answer for a path or method that the API does not have, in the API's own form."""
    assert isinstance(error, HTTPException), "registered for it alone"
    return answer({"error_code": error.status_code, "message": f"HTTP {error.detail}"}, status=error.status_code)


def _error(code: Code, message: str) -> Response:
    response = answer({"error_code": code, "message": message}, status=code.status)
    if code is Code.SCHEMA_NOT_FOUND:
        response.headers[SETTLED] = "true"
    if code is Code.UNAUTHORIZED:
        response.headers["www-authenticate"] = 'Basic realm="schema registry"'
    return response
