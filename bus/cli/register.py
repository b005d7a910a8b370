"""`bus register`: the facts that make the bus what it is."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import click

from bus import clock
from bus.agreements.finding import words_of
from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.cli.speaking import on_one_line
from bus.kafka.rights import OPERATOR
from bus.model.fact import Fact, FactKind
from bus.platform.home import Home
from bus.platform.reach import kafka_access
from bus.register.log import Register
from bus.register.state import RegisterState
from bus.settings import KafkaSettings, Settings
from bus.topics import Topics


@click.group()
def register() -> None:
    """The register of facts: who and what takes part, and under which rules."""


@register.command("show")
@click.option("--kind", type=click.Choice([kind.value for kind in FactKind]), help="Only facts of this kind.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
def show(*, kind: str | None, as_json: bool) -> None:
    """List the facts that count, in the order in which they took effect; `refused` lists the others."""
    facts = [(offset, fact) for offset, fact in asyncio.run(_facts()) if kind in {None, fact.kind.value}]
    if as_json:
        for offset, fact in facts:
            click.echo(json.dumps(_whole(offset, fact), ensure_ascii=False))
        return
    wide = max((len(_name(fact)) for _, fact in facts), default=0)
    for offset, fact in facts:
        when = f"{clock.iso(fact.at_ms)[:19]}Z"
        told = on_one_line(f"{fact.action} by {fact.by}: {fact.reason}")
        click.echo(f"{offset:>6}  {when}  {_name(fact):<{wide}}  {told}")


def _name(fact: Fact) -> str:
    return on_one_line(f"{fact.kind.value} {fact.subject_id}")


@register.command("refused")
def refused() -> None:
    """List the facts that were ignored, and why: forged, told again, or told by somebody who may not."""
    known = asyncio.run(_state())
    why = words_of("en")["refusals"]
    for one in known.refused:
        told = on_one_line(f"{one.fact.action} in the name of {one.fact.by}: {why[one.refusal.value]}")
        click.echo(f"{one.offset:>6}  {_name(one.fact)}  {told}")
    shown, count = len(known.refused), known.refused_count
    more = (
        f": above are the newest {shown}, each is in the log of whoever read it (fact-refused)" if count > shown else ""
    )
    click.echo(f"{count} facts were ignored{more}", err=True)


@register.command("load")
def load() -> None:
    """Bring agencies, datasets and agreements of the installed country into the register, as they are in its files.

    What is there already stays; what differs becomes a new fact and takes effect at once.
    """
    from bus.wiring import load_country  # noqa: PLC0415 - it imports every stage: not for --help

    for line in asyncio.run(load_country(Settings())):
        click.echo(line)


@register.command("agreement")
@click.argument("name")
@click.argument("step", type=click.Choice(["suspend", "resume", "end"]))
@click.option("--reason", required=True, help="Why: it stands in the register for ever.")
def agreement(name: str, step: str, reason: str) -> None:
    """Suspend, resume or end an agreement, as the operator.

    A suspended agreement releases nothing and recipients keep what they hold; an ended one erases it, unless its text
    lets the recipient keep it.
    """
    from bus.wiring import step_agreement  # noqa: PLC0415 - it imports every stage: not for --help

    action = {"suspend": "suspended", "resume": "resumed", "end": "ended"}[step]
    offset = asyncio.run(step_agreement(Settings(), name, action, reason))
    click.echo(f"{name} is {action}: fact {offset} of the register; each lane obeys once it has passed it.")


@register.command("resume")
@click.option("--reason", required=True, help="Why: it stands in the register for ever.")
def resume(reason: str) -> None:
    """Let the bus go on after a fact that could not be read had suspended everything, as the operator.

    Look first at what it was: it may have been a suspension that a newer release wrote.
    """
    from bus.wiring import resume_everything  # noqa: PLC0415 - it imports every stage: not for --help

    offset = asyncio.run(resume_everything(Settings(), reason))
    click.echo(f"the bus goes on: fact {offset} of the register; each lane obeys once it has passed it.")


async def _facts() -> list[tuple[int, Fact]]:
    async with _read() as found:
        return [(one.offset, one.fact) for one in found.counted]


async def _state() -> RegisterState:
    async with _read() as found:
        return found.state


@contextlib.asynccontextmanager
async def _read() -> AsyncIterator[Register]:
    settings = Settings()
    home = Home.from_settings(settings)
    access = kafka_access(settings, KafkaSettings(), home, OPERATOR)
    async with SchemaRegistryClient.from_settings(settings, home) as client:
        messages = OwnMessages(client)
        await messages.prepare()
        found = Register(access, Topics(settings.prefix, settings.lanes), messages)
        try:
            await found.start()
            yield found
        finally:
            await found.stop()


def _whole(offset: int, fact: Fact) -> dict[str, Any]:
    return {
        "offset": offset,
        "kind": fact.kind.value,
        "id": fact.subject_id,
        "action": fact.action,
        "at": clock.iso(fact.at_ms),
        "by": fact.by,
        "reason": fact.reason,
        "body": fact.body,
    }
