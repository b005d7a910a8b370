"""From what a source holds to the plan of a connector."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.connect.discover import discover, operation_column
from bus.connect.propose import Proposal, Table, propose
from bus.connect.scaffold import Plan
from bus.connect.sql_discover import version_column
from bus.errors import NotFound, WrongUse


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person said about the connector that is to be.

    `tables` are those to publish (all, when empty; for a feed `KIND=/path`), `key` the columns that tell rows apart
    where the source doesn't say, `subjects` the columns that hold personal ids, `feed_path` where a feed's entries are.
    """

    name: str
    registry: str
    kind: str
    settings: Mapping[str, str]
    tables: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    feed_path: str = "/feed"


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan, and the tables that cannot be part of it."""

    plan: Plan
    left_out: tuple[str, ...]


async def draft(wish: Wish) -> Draft:
    """Ask the source and propose. Raises as `discover`, NotFound for a column, WrongUse where nothing is left."""
    tables = await discover(wish.name, wish.kind, wish.settings, wish.tables, wish.key)
    columns = list(dict.fromkeys(column.name for table in tables for column in table.columns))
    if missing := [one for one in (*wish.key, *wish.subjects) if one not in columns]:
        raise NotFound(kind="column", name=missing[0], known=", ".join(columns) or "none")
    proposals: list[Proposal] = []
    left_out = []
    for table in tables:
        proposal = propose(table, wish.registry, wish.subjects)
        if proposal is None:
            left_out.append(f"{table.origin} has no key that can be the id of a record")
        elif proposal.dataset in {one.dataset for one in proposals}:
            left_out.append(f"{table.origin} would be a second {proposal.dataset}; name one with --table")
        else:
            proposals.append(proposal)
    if not proposals:
        if not left_out:
            what = "the source holds no table that its user may read"
            raise WrongUse(
                what=what, instead="Is it the right database? Else give its user the right to read the tables."
            )
        instead = "Give each table a primary key, or name columns that tell its rows apart with --key."
        raise WrongUse(what="; ".join(left_out), instead=instead)
    return Draft(
        Plan(wish.name, wish.registry, wish.kind, proposals, _section(wish, proposals, tables)), tuple(left_out)
    )


def _section(wish: Wish, proposals: list[Proposal], tables: list[Table]) -> dict[str, Any]:
    """What the manifest says of its kind."""
    if wish.kind == "feed":
        paths = dict(one.split("=", 1) for one in wish.tables)
        return {"path": wish.feed_path, "pages": {one.dataset: paths[one.origin] for one in proposals}}
    if wish.kind == "files":
        folder = Path(wish.settings["folder"]).expanduser()
        return {"operation_column": operation_column(folder), "deleted": ["D"]}
    if wish.kind == "sql":
        by_origin = {table.origin: table for table in tables}
        return {"tables": {one.dataset: _asked(by_origin[one.origin]) for one in proposals}}
    return {}


def _asked(table: Table) -> dict[str, Any]:
    """How a table is asked: by its key, and by the column that looks like a version."""
    version = version_column(table)
    return {"key": list(table.key), **({"version": version} if version else {})}
