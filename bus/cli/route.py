"""`bus route`: what an operator may do to flows."""

import asyncio
import json
import sys

import click

from bus.errors import NotFound
from bus.kafka.rights import OPERATOR
from bus.settings import Settings
from bus.watch.effect import until_effective
from bus.watch.reach import looking
from bus.watch.verify import KINDS, SHOWN, Verified
from bus.watch.verify import verify as verify_topics

ADMIN = "admin"

PATIENCE_SECONDS = 30.0

_reason = click.option("--reason", required=True, help="Why: it stands in the register for ever.")
_no_wait = click.option("--no-wait", is_flag=True, help="Return when it is written, before it has taken effect.")


@click.group()
def route() -> None:
    """Flows: hold one up, let it go on, have it judged again, check it."""


@route.command()
@click.argument("name", metavar="AGREEMENT|DATASET")
@_reason
@_no_wait
def pause(name: str, reason: str, *, no_wait: bool) -> None:
    """Hold up the flow of an agreement, or of every agreement of a dataset.

    Nothing is released; recipients keep what they hold, as it was. What must be erased is erased all the same: after
    a deletion at the source, a withdrawal, an expired consent.
    """
    _step(name, "paused", reason, no_wait=no_wait)


@route.command()
@click.argument("name", metavar="AGREEMENT|DATASET")
@_reason
@_no_wait
def resume(name: str, reason: str, *, no_wait: bool) -> None:
    """Let a flow go on that was held up; what changed meanwhile is caught up.

    An agreement that is held up by its own name and by its dataset's needs both resumed.
    """
    _step(name, "resumed", reason, no_wait=no_wait)


@route.command()
@click.argument("name", metavar="AGREEMENT|DATASET")
@_reason
@_no_wait
def backfill(name: str, reason: str, *, no_wait: bool) -> None:
    """Have every record judged again under an agreement, beside the live flow.

    A recipient gets what it lacks and loses what it must not hold; a view that has not changed is not sent again.
    """
    _step(name, "backfill-asked", reason, no_wait=no_wait)


@route.command()
@click.argument("agreement", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def verify(agreement: str | None, *, as_json: bool) -> None:
    """Check that agency topics, the log of disclosures and the lanes' books agree, for AGREEMENT or for all.

    Every record sent has its entry in the log and the other way round, and what recipients hold is what the lanes
    book, view by view. Reads the topics whole, as an administrator. Ends with 1 and the list of what does not agree.
    """
    found = asyncio.run(_verified(Settings(), agreement))
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        counts = f"{found.records:,} records, {found.entries:,} entries of the log, {found.holdings:,} holdings"
        click.echo(f"{len(found.agreements)} agreements: {counts}")
        for kind, places in sorted(found.findings.items()):
            meaning, remedy = KINDS[kind]
            click.echo(f"\n{kind}: {len(places):,}. {meaning}\n  remedy: {remedy}")
            for place in sorted(places)[:SHOWN]:
                click.echo(f"  {place}")
        click.echo("They agree." if found.agree else "\nThey do not agree.")
    if not found.agree:
        sys.exit(1)


async def _verified(settings: Settings, agreement: str | None) -> Verified:
    async with looking(settings, ADMIN) as look:
        known = look.register.state.agreements
        if agreement is not None and agreement not in known:
            raise NotFound(kind="agreement", name=agreement, known=", ".join(sorted(known)) or "none")
        chosen = list(known.values()) if agreement is None else [known[agreement]]
        return await verify_topics(look, chosen, lambda line: click.echo(line, err=True))


def _step(name: str, action: str, reason: str, *, no_wait: bool) -> None:
    from bus.wiring import step_route  # noqa: PLC0415 - it imports every stage: not for --help

    settings = Settings()
    offset = asyncio.run(step_route(settings, name, action, reason))
    click.echo(f"{name} is {action.replace('-', ' ')}: fact {offset} of the register")
    if not no_wait:
        seconds = asyncio.run(_until_effective(settings, offset))
        click.echo(f"effective in every lane, as told after {seconds:.1f} s")


async def _until_effective(settings: Settings, offset: int) -> float:
    async with looking(settings, OPERATOR) as look:
        return await until_effective(look, offset, PATIENCE_SECONDS)
