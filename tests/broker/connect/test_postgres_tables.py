"""Tables that are not plain: partitioned ones, generated columns, domains, tables that come to hide their old rows."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from bus.connect.findings import Finding, Weight
from bus.connect.manifest import DatasetRule, Manifest
from bus.connect.place import Place
from bus.connect.postgres.check import check_postgres
from bus.connect.postgres.discover import tables
from bus.connect.postgres.source import PostgresSource
from bus.connect.source import Position, Restarted, SourceChange, SourceEvent
from bus.errors import PositionLost, SourceUnfit, SourceUnreachable

pytestmark = [pytest.mark.postgres]

BILL = "test.bill"


class Source(PostgresSource):
    """A partitioned table."""

    manifest = Manifest(
        name="bills",
        registry="test",
        kind="postgres",
        datasets={BILL: DatasetRule(origin="bill", fields={"id": "id", "day": "day", "twice": "twice"})},
    )


@pytest.fixture
def bills(database: str) -> Iterator[psycopg.Connection[Any]]:
    """Bills by year, with a generated column and a domain over an array."""
    with psycopg.connect(database, autocommit=True) as sql:
        sql.execute(
            """create domain words as text[] check (cardinality(value) < 9);
               create table bill (id int, day date, amount int, marks words, paid boolean,
                 twice int generated always as (amount * 2) stored, primary key (id, day)) partition by range (day);
               create table bill_2025 partition of bill for values from ('2025-01-01') to ('2026-01-01');
               create table bill_2026 partition of bill for values from ('2026-01-01') to ('2027-01-01');
               alter table bill replica identity full;
               alter table bill_2025 replica identity full;
               alter table bill_2026 replica identity full"""
        )
        yield sql


@pytest.fixture
async def source(database: str, bills: Any) -> AsyncIterator[Source]:
    """The table as a source; its slot is dropped after the test."""
    made = Source(Place("bills", f"t{database[-8:]}.", {"dsn": database}))
    yield made
    await made.forget()
    await made.close()


async def take(source: Source, after: Position, count: int) -> list[SourceEvent]:
    """The next changes and restarts of the stream."""
    found: list[SourceEvent] = []
    changes = source.changes(after)
    async for events in changes:
        found += [event for event in events if isinstance(event, SourceChange | Restarted)]
        if len(found) >= count:
            break
    await changes.aclose()  # type: ignore[attr-defined] # the source's stream is an async generator
    return found


async def read_on(source: Source, after: Position, into: list[SourceEvent]) -> None:
    """Read the stream until it fails."""
    async for events in source.changes(after):
        into += events


async def findings(source: Source, database: str) -> list[Finding]:
    """What a check of the table finds wrong."""
    found = await check_postgres(source.manifest, Place("bills", "", {"dsn": database}))
    return [one for one in found if one.weight is Weight.ERROR]


def shown(event: SourceEvent) -> tuple[str, Any, Any]:
    """Operation, old amount, new amount."""
    assert isinstance(event, SourceChange)
    old, new = event.old and event.old["amount"], event.new and event.new["amount"]
    return event.operation.value, old, new


async def test_partitions_are_read_as_their_table(bills: Any, source: Source) -> None:
    """Rows of every partition, old ones and new ones, come as rows of the one table, by the stream and by chunks."""
    start = await source.open(None)
    bills.execute("insert into bill values (1, '2025-05-05', 10, '{a,\"b c\"}'), (2, '2026-05-05', 20, null)")
    bills.execute("update bill set amount = 11 where id = 1")
    bills.execute("create table bill_2027 partition of bill for values from ('2027-01-01') to ('2028-01-01')")
    bills.execute("insert into bill values (3, '2027-05-05', 30, '{}')")
    events = await take(source, start, 4)
    assert [shown(one) for one in events] == [
        ("created", None, 10),
        ("created", None, 20),
        ("updated", 10, 11),
        ("created", None, 30),
    ]
    assert {one.dataset for one in events if isinstance(one, SourceChange)} == {BILL}
    chunk = await source.chunk(BILL, None, 10)
    assert [(row["id"], row["amount"], row["marks"]) for row in chunk.rows] == [
        (1, 11, ["a", "b c"]),
        (2, 20, None),
        (3, 30, []),
    ]


async def test_a_row_that_changes_its_partition_leaves_its_old_place(bills: Any, source: Source) -> None:
    """A row that moves to another partition is a deletion and a creation, side by side."""
    bills.execute("insert into bill values (1, '2025-05-05', 10)")
    start = await source.open(None)
    bills.execute("update bill set day = '2026-06-06', amount = 12")
    assert [shown(one) for one in await take(source, start, 2)] == [("deleted", 10, None), ("created", None, 12)]


async def test_a_truncated_table_is_read_anew(bills: Any, source: Source) -> None:
    """To truncate the whole table is one restart of its dataset."""
    bills.execute("insert into bill values (1, '2025-05-05', 10)")
    start = await source.open(None)
    bills.execute("truncate bill")
    (event,) = await take(source, start, 1)
    assert isinstance(event, Restarted)
    assert event.datasets == (BILL,)


async def test_a_partition_that_hides_its_old_rows_is_named(bills: Any, source: Source, database: str) -> None:
    """A partition made without FULL is refused at the start and by the check, with the statement that mends it."""
    bills.execute("create table \"Bill 27\" partition of bill for values from ('2027-01-01') to ('2028-01-01')")
    with pytest.raises(SourceUnfit) as refused:
        await source.open(None)
    assert 'Run: alter table "Bill 27" replica identity full;' in refused.value.how_to_mend
    told = [one for one in await findings(source, database) if "replica identity" in one.what]
    assert [one.remedy for one in told] == ['Run: alter table "Bill 27" replica identity full;']
    bills.execute(told[0].remedy.removeprefix("Run: "))
    await source.open(None)


@pytest.mark.parametrize("hiding", ["bill_2026", "bill"])
@pytest.mark.parametrize("statement", ["update bill set amount = 11", "update bill set id = 2", "delete from bill"])
async def test_a_change_without_its_old_row_is_mended(bills: Any, source: Source, hiding: str, statement: str) -> None:
    """In mid-stream such a change has its dataset read anew, or a copy could stay; then the source tells the remedy."""
    start = await source.open(None)
    bills.execute("insert into bill values (1, '2026-05-05', 10)")
    bills.execute(f"alter table {hiding} replica identity default")
    bills.execute(statement)
    events: list[SourceEvent] = []
    with pytest.raises(SourceUnfit) as ended:
        await read_on(source, start, events)
    assert f"alter table {hiding} replica identity full;" in ended.value.how_to_mend
    assert isinstance(events[-1], Restarted)
    assert events[-1].datasets == (BILL,)
    bills.execute(f"alter table {hiding} replica identity full")
    assert await source.open(events[-1].position) == events[-1].position


async def test_a_table_may_get_another_name_in_mid_stream(bills: Any, source: Source) -> None:
    """What is written while the table is called otherwise is told all the same, for it is the same table."""
    start = await source.open(None)
    bills.execute("alter table bill rename to kept")
    bills.execute("insert into kept values (1, '2025-05-05', 10)")
    bills.execute("alter table kept rename to bill")
    bills.execute("insert into bill values (2, '2025-05-05', 20)")
    assert [shown(one) for one in await take(source, start, 2)] == [("created", None, 10), ("created", None, 20)]


@pytest.mark.parametrize(
    "statement",
    [
        "alter table bill rename to kept; alter table other rename to bill",
        "drop table bill; alter table other rename to bill",
        "alter publication {slot} drop table bill",
        "drop publication {slot}",
        "alter publication {slot} set (publish = '')",
        "alter publication {slot} set (publish_via_partition_root = false)",
        "alter publication {slot} set table bill where (id < 2)",
    ],
)
async def test_what_no_log_tells_is_read_anew(bills: Any, source: Source, statement: str) -> None:
    """Rows of a table that was not wholly published, or took the place of the published one, begin a new history."""
    if "where" in statement and bills.info.server_version < 150000:
        pytest.skip("publications take no conditions before PostgreSQL 15")
    bills.execute(
        """create table other (id int, day date, amount int, primary key (id, day));
           alter table other replica identity full"""
    )
    start = await source.open(None)
    (slot,) = bills.execute("select pubname from pg_publication").fetchone() or ("",)
    bills.execute("insert into bill values (1, '2025-05-05', 10)")
    (event,) = await take(source, start, 1)
    bills.execute(statement.format(slot=slot))
    bills.execute("insert into bill values (2, '2025-05-05', 20)")
    for _ in range(2):  # also after a kill between the two
        with pytest.raises(PositionLost):
            await source.open(event.position)
    begun = await source.open(None)
    assert (await source.chunk(BILL, None, 10)).rows[-1]["amount"] == 20
    bills.execute("insert into bill values (3, '2025-05-05', 30)")
    assert [shown(one) for one in await take(source, begun, 1)] == [("created", None, 30)]


async def test_a_generated_column_that_is_not_sent_is_told(bills: Any, source: Source, database: str) -> None:
    """Before PostgreSQL 18 no generated column comes with a change: the check must name it; from then on it comes."""
    told = [one.what for one in await findings(source, database) if "generated" in one.what]
    start = await source.open(None)
    bills.execute("insert into bill values (1, '2025-05-05', 10)")
    (event,) = await take(source, start, 1)
    assert isinstance(event, SourceChange)
    assert event.new is not None
    sent = event.new.get("twice") == 20
    assert told == (
        [] if sent else [f"{BILL}: twice of bill is generated, and this server does not send it with a change"]
    )


async def test_a_server_that_takes_no_publication_is_told(bills: Any, database: str) -> None:
    """A standby answers every question as the primary does: that nothing can be made in it is told before a start."""
    name = urlsplit(database).path[1:]
    bills.execute(f"alter database {name} set default_transaction_read_only = on")
    (told, *_) = [
        one
        for one in await check_postgres(Source.manifest, Place("bills", "", {"dsn": database}))
        if "as a standby does" in one.what
    ]
    assert told.weight is Weight.ERROR
    assert "target_session_attrs" in told.remedy


def named(origin: str, database: str, field: str = "id") -> Source:
    """A source of the table with that name."""
    words = Source.manifest.model_dump(exclude={"datasets"}, exclude_unset=True)
    rule = DatasetRule(origin=origin, fields={"id": field})
    made: Any = type("Named", (Source,), {"manifest": Manifest(**words, datasets={BILL: rule})})
    return made(Place("bills", f"t{database[-8:]}.", {"dsn": database}))  # type: ignore[no-any-return] # one of these


@pytest.mark.parametrize("name", ['"Person"', '"Ho So"."Đơn.1"', "plain", '"select"'])
async def test_a_table_is_proposed_by_the_name_that_finds_it(database: str, name: str) -> None:
    """What programs named with capital letters, blanks or points is followed as it is proposed."""
    with psycopg.connect(database, autocommit=True) as sql:
        sql.execute(f'create schema "Ho So"; create table {name} ("Id" int primary key)')
        sql.execute(f"alter table {name} replica identity full")
    (found,) = await tables(database, "bills")
    assert [one.origin for one in await tables(database, "bills", (name.replace('"', ""),))] == [found.origin]
    source = named(found.origin, database, "Id")
    await source.open(None)
    assert (await source.chunk(BILL, None, 10)).rows == ()
    await source.forget()
    await source.close()


@pytest.mark.parametrize("name", ["Ho So.Bill", "a.b.c.d", "other.public.bill", '"bill', "Bill-1"])
async def test_what_is_no_name_of_a_table_is_told(database: str, name: str) -> None:
    """It is told with the way to write one: a connector waited for good for a database that answered all the time."""
    source = named(name, database)
    with pytest.raises(SourceUnfit, match="there is no table") as refused:
        await source.open(None)
    await source.close()
    assert "double quotes" in refused.value.how_to_mend
    assert any("there is no table" in one.what for one in await findings(source, database))


async def test_discover_shows_the_table_and_not_its_parts(bills: Any, database: str) -> None:
    """A partitioned table is proposed once, with its key; its partitions are not proposed."""
    (bill,) = await tables(database, "bills")
    assert (bill.origin, bill.key) == ("bill", ("id", "day"))


@pytest.fixture
def clerk(database: str, bills: psycopg.Connection[Any]) -> Iterator[str]:
    """The address of a user who owns the table and is no administrator."""
    name = f"clerk_{urlsplit(database).path[1:]}"
    bills.execute(f"create role {name} login replication password 'of-the-clerk'")
    bills.execute(
        f'grant create on database "{urlsplit(database).path[1:]}" to {name}; grant all on schema public to {name}'
    )
    for table in ("bill", "bill_2025", "bill_2026"):
        bills.execute(f"alter table {table} owner to {name}")
    where = urlsplit(database)
    yield where._replace(netloc=f"{name}:of-the-clerk@{where.hostname}:{where.port}").geturl()
    bills.execute(
        f"drop publication if exists bus_bills; reassign owned by {name} to current_user; drop owned by {name}"
    )
    bills.execute(f"drop role {name}")


async def test_rows_that_a_policy_hides_are_not_gone(bills: Any, clerk: str, database: str) -> None:
    """A user who sees some rows only reads none: a snapshot would erase the others, or never know them."""
    bills.execute("insert into bill (id, day) values (1, '2025-02-01'), (2, '2025-02-01')")
    bills.execute("create policy few on bill using (id = 1)")
    place = Place("bills", f"t{database[-8:]}.", {"dsn": clerk})
    source = Source(place)
    try:
        await source.open(None)
        assert len((await source.chunk(BILL, None, 10)).rows) == 2
        bills.execute("alter table bill enable row level security; alter table bill force row level security")
        with pytest.raises(SourceUnreachable, match="row-level security"):
            await source.chunk(BILL, None, 10)
        with pytest.raises(SourceUnfit, match="row-level security"):
            await source.open(None)
        assert any("row-level security" in finding.what for finding in await check_postgres(Source.manifest, place))
    finally:
        await source.forget()
        await source.close()


async def test_a_table_that_others_inherit_from_is_refused(bills: Any, source: Source, database: str) -> None:
    """A snapshot would publish rows whose changes and deletions the stream tells of other tables, and nobody takes."""
    bills.execute("drop table bill; create table bill (id int primary key, day date, twice int)")
    bills.execute("alter table bill replica identity full; create table old_bill (primary key (id)) inherits (bill)")
    with pytest.raises(SourceUnfit, match="inherit from it"):
        await source.open(None)
    assert any("inherit from it" in finding.what for finding in await findings(source, database))
    bills.execute("drop table old_bill")
    await source.open(None)
