"""What the handlers read from requests and how answers are made."""

import json
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from bus.avro.client import CONTENT_TYPE
from bus.avro.registry.codes import Code
from bus.avro.registry.submitted import MAX_SCHEMA_BYTES
from bus.errors import RegistryRefusal

MAX_BODY_BYTES = 4 * MAX_SCHEMA_BYTES

T = TypeVar("T")


async def body_of(request: Request) -> Any:
    """The JSON of the body. Raises RegistryRefusal for too much of it, and for what is none."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MAX_BODY_BYTES:
            raise RegistryRefusal(code=Code.INVALID_REQUEST, reason=f"the body has more than {MAX_BODY_BYTES} bytes")
    try:
        return json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise RegistryRefusal(code=Code.INVALID_REQUEST, reason="the body is no JSON") from error


def flag(request: Request, name: str) -> bool:
    """A query parameter that is true or absent."""
    return request.query_params.get(name, "").lower() == "true"


def limited(request: Request, found: list[T]) -> list[T]:
    """The part of a list that `offset` and `limit` ask for."""
    offset, limit = (_number(request, name) for name in ("offset", "limit"))
    return found[offset or 0 :][: None if limit is None else limit]


def _number(request: Request, name: str) -> int | None:
    """A query parameter that counts; Confluent's clients send -1 for none."""
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else None


def answer(value: Any, *, status: int = 200) -> Response:
    """A value as JSON; a Response as it is."""
    if isinstance(value, Response):
        return value
    return plain(json.dumps(value, ensure_ascii=False), status=status)


def plain(text: str, *, status: int = 200) -> Response:
    """A text that is JSON already."""
    return Response(text, status_code=status, media_type=CONTENT_TYPE)
