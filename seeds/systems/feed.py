"""A registry's own service with a change feed: records by key, entries by sequence, and an interface for the clerk."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from seeds.systems.codes import Record
from seeds.systems.serving import Guarded, refusal
from seeds.systems.store import Page, Store

PAGE_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record: its name in the feed, which field is the key, and which fields a record has."""

    name: str
    key: str
    fields: frozenset[str]


def application(store: Store, token: str, kinds: Mapping[str, Kind]) -> Starlette:
    """The service over a store, with a path for each kind; closes the store when it ends."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    app = Starlette(
        lifespan=lifespan,
        middleware=[Middleware(Guarded, token=token)],
        routes=[
            Route("/feed", _feed),
            Route("/{kind:str}", _list, methods=["GET"]),
            Route("/{kind:str}", _create, methods=["POST"]),
            Route("/{kind:str}/{key:str}", _change, methods=["PUT"]),
            Route("/{kind:str}/{key:str}", _remove, methods=["DELETE"]),
        ],
    )
    app.state.store, app.state.kinds = store, kinds
    return app


async def _feed(request: Request) -> Response:
    """GET /feed?after=SEQ&limit=N: what changed after a sequence, oldest first."""
    store: Store = request.app.state.store
    try:
        after, limit = int(request.query_params.get("after", "0")), _limit(request)
    except ValueError:
        return refusal(422, "after and limit are whole numbers")
    head = store.head()
    entries = store.entries(after=after, limit=limit, until=head)
    shown = [
        {"seq": entry.seq, "kind": entry.kind, "op": entry.op, "id": entry.key, "record": entry.record}
        for entry in entries
    ]
    return JSONResponse({"entries": shown, "next": entries[-1].seq if entries else after, "head": head})


async def _list(request: Request) -> Response:
    """GET /<kinds>?after_key=KEY&limit=N, or ?personal_id=…: records in the order of their keys."""
    kinds: Mapping[str, Kind] = request.app.state.kinds
    kind = kinds.get(request.path_params["kind"])
    if kind is None:
        return refusal(404, f"there are {' and '.join(kinds)}")
    store: Store = request.app.state.store
    person = request.query_params.get("personal_id")
    if person is not None:
        return _answer(store.of_person(kind.name, person))
    try:
        limit = _limit(request)
    except ValueError:
        return refusal(422, "limit is a whole number")
    return _answer(store.page(kind.name, after_key=request.query_params.get("after_key", ""), limit=limit))


async def _create(request: Request) -> Response:
    """POST: a whole record, whose key is not taken."""
    kinds: Mapping[str, Kind] = request.app.state.kinds
    kind = kinds.get(request.path_params["kind"])
    if kind is None:
        return refusal(404, f"there are {' and '.join(kinds)}")
    record: Record = await request.json()
    if set(record) != kind.fields:
        return refusal(422, f"a {kind.name} has the fields {', '.join(sorted(kind.fields))}")
    store: Store = request.app.state.store
    if store.get(kind.name, record[kind.key]) is not None:
        return refusal(409, f"there is such a {kind.name} already")
    return JSONResponse({"seq": _write(store, kind, record)}, status_code=201)


async def _change(request: Request) -> Response:
    """PUT: the fields named in the body change, all others stay."""
    kinds: Mapping[str, Kind] = request.app.state.kinds
    kind = kinds.get(request.path_params["kind"])
    store: Store = request.app.state.store
    record = None if kind is None else store.get(kind.name, request.path_params["key"])
    if kind is None or record is None:
        return refusal(404, "there is no such record")
    changes: Record = await request.json()
    if not changes.keys() <= kind.fields - {kind.key}:
        return refusal(422, f"of a {kind.name} can change: {', '.join(sorted(kind.fields - {kind.key}))}")
    return JSONResponse({"seq": _write(store, kind, record | changes)})


async def _remove(request: Request) -> Response:
    """DELETE: the record is gone."""
    kinds: Mapping[str, Kind] = request.app.state.kinds
    kind = kinds.get(request.path_params["kind"])
    key = request.path_params["key"]
    store: Store = request.app.state.store
    if kind is None or store.get(kind.name, key) is None:
        return refusal(404, "there is no such record")
    return JSONResponse({"seq": store.delete(kind.name, key)})


def _write(store: Store, kind: Kind, record: Record) -> int:
    return store.put(kind.name, record[kind.key], record["personalId"], record | {"modified": store.now()})


def _limit(request: Request) -> int:
    return max(1, min(PAGE_LIMIT, int(request.query_params.get("limit", "100"))))


def _answer(page: Page) -> JSONResponse:
    return JSONResponse({"records": page.records, "next_key": page.next_key, "head": page.head})
