"""The insurance registry's own system: it drops CSV files into a folder, first a full one, then what changed.

`python -m seeds.systems.insurance --data DIR --drop DIR --port P --token-file FILE`. The HTTP interface is the clerk's.
"""

import asyncio
import csv
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from seeds.systems.codes import Record
from seeds.systems.serving import Guarded, arguments, refusal, serve
from seeds.systems.store import MADE, Store

COVERAGE = "coverage"
KEY_COLUMNS = ("ma_so_bhxh", "loai")
COLUMNS = (
    *KEY_COLUMNS, "so_dinh_danh", "don_vi", "mst_don_vi", "muc_dong", "tu_ngay", "den_ngay", "so_thang", "so_the_bhyt",
    "noi_kcb", "luong_huu",
)  # fmt: skip
OPERATION_COLUMN = "thao_tac"
_PAGE = 5000


def state_path(data: Path) -> Path:
    """Where the system keeps its records."""
    return data / "insurance.sqlite"


def key_of(record: Record) -> str:
    """A record's key in the store."""
    return "/".join(record[column] for column in KEY_COLUMNS)


@dataclass(frozen=True, slots=True)
class Plan:
    """A file that was begun: its rank, whether it is full, and the journal entries that it covers."""

    rank: int
    full: bool
    after: int
    until: int

    @property
    def name(self) -> str:
        """The file's name."""
        return f"coverage-{'full' if self.full else 'delta'}-{self.rank:06}.csv"


class Exports:
    """Writes the files. A delta is planned in the store before it is written, so that a crash repeats it unchanged."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def done(self) -> tuple[int, int]:
        """The rank of the newest file and the sequence that it goes up to."""
        return int(self._store.note("rank") or 0), int(self._store.note("until") or 0)

    @property
    def pending(self) -> int:
        """Journal entries that no file shows yet; the first full file counts as one."""
        rank, until = self.done
        return self._store.head() - until if rank else 1

    def ask_full(self) -> None:
        """Make the next file a full one."""
        self._store.remember("full", "asked")

    def write_next(self) -> str | None:
        """Write the next file if there is anything to tell; answers its name."""
        plan = self._planned() or self._plan()
        if plan is None:
            return None
        columns = COLUMNS if plan.full else (OPERATION_COLUMN, *COLUMNS)
        draft = self._folder / f".{plan.name}.part"
        _write_table(draft, columns, self._all() if plan.full else self._changed(plan))
        draft.replace(self._folder / plan.name)
        with self._store.writing():
            self._store.remember("rank", str(plan.rank))
            self._store.remember("until", str(plan.until))
            self._store.remember("plan", "")
            if plan.full:
                self._store.remember("full", "written")
        return plan.name

    def _planned(self) -> Plan | None:
        words = (self._store.note("plan") or "").split()
        if not words:
            return None
        rank, full, after, until = words
        return Plan(int(rank), full == "full", int(after), int(until))

    def _plan(self) -> Plan | None:
        """What comes next; nothing before the registry has been filled.

        A full file needs no fixed content: repeating it with newer records only tells more.
        """
        if self._store.note(MADE) is None:
            return None
        rank, until = self.done
        head = self._store.head()
        full = rank == 0 or self._store.note("full") == "asked"
        if not full and head == until:
            return None
        plan = Plan(rank + 1, full, until, head)
        words = f"{plan.rank} {'full' if full else 'delta'} {plan.after} {plan.until}"
        with self._store.writing():
            self._store.remember("plan", words)
        return plan

    def _all(self) -> Iterable[Record]:
        after: str | None = ""
        while after is not None:
            page = self._store.page(COVERAGE, after_key=after, limit=_PAGE)
            yield from page.records
            after = page.next_key

    def _changed(self, plan: Plan) -> Iterable[Record]:
        """The newest state of each record that changed, in the order of their last changes."""
        newest: dict[str, Record] = {}
        for entry in self._store.entries(after=plan.after, limit=plan.until, until=plan.until):
            newest.pop(entry.key, None)
            if entry.record is None:
                key = dict(zip(KEY_COLUMNS, entry.key.split("/"), strict=True))
                newest[entry.key] = {OPERATION_COLUMN: "D", **key}
            else:
                newest[entry.key] = {OPERATION_COLUMN: "U", **entry.record}
        return newest.values()


def _write_table(path: Path, columns: tuple[str, ...], records: Iterable[Record]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", delimiter=";", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(records)


def application(store: Store, exports: Exports, token: str, every_seconds: float) -> Starlette:
    """The clerk's interface, and the files written beside it."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        writing = asyncio.create_task(_write_files(exports, every_seconds))
        yield
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        store.close()

    app = Starlette(
        lifespan=lifespan,
        middleware=[Middleware(Guarded, token=token)],
        routes=[
            Route("/exports", _exports, methods=["GET", "POST"]),
            Route("/coverage", _list, methods=["GET"]),
            Route("/coverage", _create, methods=["POST"]),
            Route("/coverage/{number:str}/{scheme:str}", _change, methods=["PUT"]),
            Route("/coverage/{number:str}/{scheme:str}", _remove, methods=["DELETE"]),
        ],
    )
    app.state.store, app.state.exports = store, exports
    return app


async def _write_files(exports: Exports, every_seconds: float) -> None:
    """A full disk or a missing folder is said on stderr and tried again; nothing is lost by it."""
    while True:
        try:
            exports.write_next()
        except OSError as error:
            print(f"no file was written: {error.strerror}", file=sys.stderr)  # noqa: T201 (its log is stderr)
        await asyncio.sleep(every_seconds)


async def _exports(request: Request) -> Response:
    """GET: how many changes no file shows yet, and the newest file's rank. POST: the next file shall be full."""
    exports: Exports = request.app.state.exports
    if request.method == "POST":
        exports.ask_full()
    return JSONResponse({"pending": exports.pending, "files": exports.done[0]})


async def _list(request: Request) -> Response:
    """GET /coverage?personal_id=…: the covers of one person; ?after_key=KEY&limit=N: all, by key."""
    store: Store = request.app.state.store
    person = request.query_params.get("personal_id")
    if person is not None:
        return JSONResponse({"records": store.of_person(COVERAGE, person).records})
    try:
        limit = max(1, min(_PAGE, int(request.query_params.get("limit", "100"))))
    except ValueError:
        return refusal(422, "limit is a whole number")
    page = store.page(COVERAGE, after_key=request.query_params.get("after_key", ""), limit=limit)
    return JSONResponse({"records": page.records, "next_key": page.next_key})


async def _create(request: Request) -> Response:
    """POST: a whole record, whose key is not taken."""
    record: Record = await request.json()
    store: Store = request.app.state.store
    if set(record) != set(COLUMNS):
        return refusal(422, f"a record has the fields {', '.join(COLUMNS)}")
    if store.get(COVERAGE, key_of(record)) is not None:
        return refusal(409, "there is such a cover already")
    return JSONResponse({"seq": _write(store, record)}, status_code=201)


async def _change(request: Request) -> Response:
    """PUT: the fields named in the body change, all others stay."""
    store: Store = request.app.state.store
    record = store.get(COVERAGE, _key(request))
    if record is None:
        return refusal(404, "there is no such cover")
    changes: Record = await request.json()
    if not changes.keys() <= set(COLUMNS) - set(KEY_COLUMNS):
        return refusal(422, "the key of a cover does not change, and only its own fields do")
    return JSONResponse({"seq": _write(store, record | changes)})


async def _remove(request: Request) -> Response:
    """DELETE: the record is gone."""
    store: Store = request.app.state.store
    if store.get(COVERAGE, _key(request)) is None:
        return refusal(404, "there is no such cover")
    return JSONResponse({"seq": store.delete(COVERAGE, _key(request))})


def _write(store: Store, record: Record) -> int:
    return store.put(COVERAGE, key_of(record), record["so_dinh_danh"], record)


def _key(request: Request) -> str:
    return f"{request.path_params['number']}/{request.path_params['scheme']}"


def main() -> None:
    """Serve until told to end."""
    parser = arguments("The pretend insurance registry.")
    parser.add_argument("--drop", type=Path, required=True, help="folder into which the files are dropped")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two files at the least")
    given = parser.parse_args()
    store = Store(state_path(given.data))
    token = given.token_file.read_text(encoding="utf-8").strip()
    serve(application(store, Exports(store, given.drop), token, given.every), given)


if __name__ == "__main__":
    main()
