"""The consent API over HTTP. Errors always have one form: `{"errors": [{"place", "reason", "remedy"}]}`."""

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bus.agreements.finding import LANGUAGES
from bus.agreements.jsonschema import json_schema, schema_file
from bus.citizen.desk import ConsentDesk, Taken
from bus.citizen.request import Finding, read_acts, read_subject, refused
from bus.errors import ActsRefused, BusError, NotNow
from bus.kafka.log import KafkaError
from bus.telemetry import Event, emit, place_of

MOST_BYTES = 8 << 20
LONGEST_WAIT_SECONDS = 10.0
LARGEST_OFFSET = 2**63 - 1

Handler = Callable[[Request], Awaitable[Response]]


def application(desk: ConsentDesk, *, token: str) -> Starlette:
    """The API; all but `/health` and the form of agreements needs the bearer token."""
    api = _Api(desk)

    def guarded(path: str, handler: Handler, method: str) -> Route:
        return Route(path, _answering(_knowing(handler, token)), methods=[method])

    return Starlette(
        routes=[
            guarded("/v1/consents", api.take, "POST"),
            guarded("/v1/consents/{event_id:path}", api.event, "GET"),
            guarded("/v1/effective", api.effective, "GET"),
            guarded("/v1/subjects/{subject}/consents", api.standings, "GET"),
            Route("/health", api.health, methods=["GET"]),
            *(Route(f"/{schema_file(one)}", _agreement_schema(one), methods=["GET"]) for one in LANGUAGES),
        ],
        exception_handlers={HTTPException: _no_route},
    )


class _Api:
    """One method a path."""

    def __init__(self, desk: ConsentDesk) -> None:
        self._desk = desk

    async def take(self, request: Request) -> Response:
        """202 and where each event lies; 422 and what is wrong, and then nothing was written."""
        body = await _body(request)
        taken = await self._desk.take(read_acts(body), listed=isinstance(body, list))
        return JSONResponse({"accepted": [_told(one) for one in taken]}, status_code=202)

    async def event(self, request: Request) -> Response:
        """Where an event lies and whether it has taken effect, `wait` seconds being granted."""
        taken = await self._desk.event(request.path_params["event_id"], _seconds(request, default=0.0))
        if taken is None:
            return _error(404, "event_id", "no such event is known here", "Send it with POST /v1/consents.")
        return JSONResponse(_told(taken))

    async def effective(self, request: Request) -> Response:
        """Whether the event at a partition and offset has taken effect; waits up to ten seconds for it."""
        partition = _count(request, "partition", below=self._desk.lanes)
        offset = _count(request, "offset", below=LARGEST_OFFSET)
        seconds = _seconds(request, default=LONGEST_WAIT_SECONDS)
        effective = await self._desk.effective(partition, offset, seconds)
        return JSONResponse(
            {"partition": partition, "offset": offset, "state": "effective" if effective else "pending"}
        )

    async def standings(self, request: Request) -> Response:
        """How a person stands to every agreement. Raises ActsRefused for what no act could name either."""
        subject, language = read_subject(request.path_params["subject"]), _language(request)
        consents = await self._desk.standings(subject, language)
        return JSONResponse({"subject": subject, "consents": consents}, headers={"content-language": language})

    async def health(self, _request: Request) -> Response:
        """200 while consents and positions are being read, 503 while they are not."""
        well = self._desk.is_well
        state = "ready" if well else "waiting for Kafka"
        return JSONResponse({"status": state, "lanes": self._desk.lanes}, status_code=200 if well else 503)


def _agreement_schema(language: str) -> Handler:
    """The form of agreements, for editors: a text names this address in its first line. It is no secret."""

    async def handler(_request: Request) -> Response:
        return JSONResponse(json_schema(language), media_type="application/schema+json")

    return handler


def _told(taken: Taken) -> dict[str, Any]:
    return {
        "event_id": taken.event_id,
        "partition": taken.partition,
        "offset": taken.offset,
        "state": taken.state,
    }


async def _body(request: Request) -> Any:
    """The JSON of the body. Raises ActsRefused for too much of it, and for what is none."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MOST_BYTES:
            reason = f"the body has more than {MOST_BYTES} bytes"
            raise refused([Finding("", reason, "Send the acts in several requests.")])
    try:
        return json.loads(bytes(data), object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise refused([Finding("", "the body is no JSON", "Send an act, or a list of acts, as JSON.")]) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ActsRefused for a key that stands twice: others may read the other one of the two."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise refused([Finding("", "a key stands twice in one object", "Send each key once.")])
    return found


def _language(request: Request) -> str:
    """The language of `Accept-Language` that is liked most of those that the bus speaks; English without one."""
    liked: list[tuple[float, int, str]] = []
    for one in request.headers.get("accept-language", "").split(","):
        name, _, rest = one.strip().lower().partition(";")
        weight = rest.strip().removeprefix("q=") if rest else "1"
        if name.partition("-")[0] in LANGUAGES and re.fullmatch(r"[01](\.\d{0,3})?", weight) and float(weight) > 0:
            liked.append((-float(weight), len(liked), name.partition("-")[0]))
    return min(liked)[2] if liked else "en"


def _seconds(request: Request, *, default: float) -> float:
    """The query parameter `wait`, at most what a long poll may last."""
    text = request.query_params.get("wait")
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT_SECONDS:
        remedy = f"Send seconds from 0 to {LONGEST_WAIT_SECONDS:.0f}."
        raise refused([Finding("wait", "it is no such length of time", remedy)])
    return seconds


def _count(request: Request, name: str, *, below: int) -> int:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) < below):
        remedy = f"Send a whole number from 0 to {below - 1}."
        raise refused([Finding(name, "it is missing or no such number", remedy)])
    return int(text)


def _answering(handler: Handler) -> Handler:
    async def answering(request: Request) -> Response:
        try:
            return await handler(request)
        except ActsRefused as error:
            found: tuple[Finding, ...] = error.details["findings"]  # type: ignore[assignment]  # made by `refused`
            emit(Event.CONSENTS_REFUSED, findings=len(found))
            return JSONResponse({"errors": [one.as_json() for one in found]}, status_code=422)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except (BusError, KafkaError, TimeoutError) as error:
            return _not_now(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold what was sent
            return _failed(error)

    return answering


def _not_now(error: Exception) -> Response:
    known = isinstance(error, BusError)
    reason = str(error) if known else f"the broker did not take or tell it ({type(error).__name__})"
    emit(Event.CONSENT_API_FAILED, error=type(error).__name__)
    return _error(503, "", reason, NotNow.remedy)


def _failed(error: Exception) -> Response:
    emit(Event.CONSENT_API_FAILED, error=type(error).__name__, place=place_of(error))
    remedy = "Send it again, with the same ids; where that fails too, tell the operators, whose log names the place."
    return _error(500, "", "the bus failed in a way that nobody foresaw", remedy)


def _knowing(handler: Handler, token: str) -> Handler:
    async def knowing(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(given.strip().encode(), token.encode()):
            answer = _error(401, "authorization", "the bearer token is missing or wrong", "Send the token of this bus.")
            answer.headers["www-authenticate"] = 'Bearer realm="consents"'
        else:
            answer = await handler(request)
        answer.headers["cache-control"] = "no-store"  # what it tells of a person stays nowhere on the way
        return answer

    return knowing


async def _no_route(_request: Request, error: Exception) -> Response:
    """An answer for a path or method that the API does not have."""
    assert isinstance(error, HTTPException), "registered for it alone"
    remedy = "POST /v1/consents, GET /v1/consents/…, /v1/effective, /v1/subjects/…/consents, /health."
    return _error(error.status_code, "path", error.detail, remedy)


def _error(status: int, place: str, reason: str, remedy: str) -> Response:
    return JSONResponse({"errors": [Finding(place, reason, remedy).as_json()]}, status_code=status)
