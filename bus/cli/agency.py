"""`bus agency`."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import click
from rich.console import Console

from bus.avro.client import SchemaRegistryClient
from bus.cli.contract import agency_contract
from bus.cli.speaking import on_drawn_line
from bus.deliver.recipients import Recipient, flows_of, read_register, recipients
from bus.deliver.subscribe import Wanted
from bus.deliver.tail import Seen, tail
from bus.kafka.rights import OPERATOR, agency_user
from bus.platform.home import Home
from bus.platform.reach import kafka_access
from bus.settings import KafkaSettings, Settings
from bus.topics import Topics


@click.group()
def agency() -> None:
    """Recipients: who they are, what they may receive, and what one of them sees."""


agency.add_command(agency_contract)


@agency.command("list")
@click.option("--lang", default="en", show_default=True, help="Language of names, where there is one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of words.")
def list_(lang: str, *, as_json: bool) -> None:
    """Name every recipient with its agreements and topics, as the register has them."""
    settings = Settings()
    found = asyncio.run(_recipients(settings, Home.from_settings(settings)))
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], ensure_ascii=False, indent=2))
    else:
        _print(found, lang)


@agency.command("tail")
@click.argument("agency_id", metavar="AGENCY")
@click.option("--agreement", metavar="NAME", help="Only what comes under this agreement.")
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest record instead of the next one.")
@click.option("--max", "most", type=click.IntRange(1), help="End after so many records.")
@click.option("--no-follow", is_flag=True, help="End when everything that is there now has been shown.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def tail_(agency_id: str, *, as_json: bool, most: int | None, **words: Any) -> None:
    """Show what AGENCY sees: its topics, read under its own Kafka user, committed records only. Ctrl-C ends it."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_tail(Settings(), agency_id, most=most, as_json=as_json, **words))


async def _recipients(settings: Settings, home: Home) -> list[Recipient]:
    topics = Topics(settings.prefix, settings.lanes)
    operator = kafka_access(settings, KafkaSettings(), home, OPERATOR)
    async with SchemaRegistryClient.from_settings(settings, home) as client:
        return recipients(await read_register(operator, topics, client))


async def _tail(  # noqa: PLR0913 - one for each option
    settings: Settings,
    agency_id: str,
    *,
    agreement: str | None,
    from_beginning: bool,
    no_follow: bool,
    most: int | None,
    as_json: bool,
) -> None:
    home = Home.from_settings(settings)
    flows = flows_of(await _recipients(settings, home), agency_id, agreement)
    access = kafka_access(settings, KafkaSettings(), home, agency_user(agency_id))
    async with SchemaRegistryClient.from_settings(settings, home) as client:
        wanted = Wanted(Topics(settings.prefix, settings.lanes), agency_id, frozenset({agreement} if agreement else ()))
        seen = tail(access, client, flows, from_beginning=from_beginning, follow=not no_follow, wanted=wanted)
        async with contextlib.aclosing(seen):
            await _show(seen, most, as_json=as_json)


async def _show(seen: AsyncIterator[Seen], most: int | None, *, as_json: bool) -> None:
    console, shown = Console(highlight=False, soft_wrap=True), 0
    async for one in seen:
        if as_json:
            click.echo(json.dumps(one.as_json(), ensure_ascii=False, default=str))
        else:
            console.print(_line(one))
        shown += 1
        if shown == most:
            return


def _line(one: Seen) -> str:
    head = f"[dim]{on_drawn_line(one.time or '-')}[/]  [bold]{one.agreement}[/]  {on_drawn_line(one.key)}"
    if one.fields is None:
        return f"{head}  [red]erased[/]  {on_drawn_line(one.reason or 'no reason given')}: {one.words}"
    fields = "  ".join(f"[dim]{name}[/]={on_drawn_line(_plain(value))}" for name, value in one.fields.items())
    return f"{head}  [green]released[/]  {fields}"


def _plain(value: Any) -> str:
    return "-" if value is None else str(value)


def _print(found: list[Recipient], lang: str) -> None:
    """A line for each agency, one below for each agreement; never cut, for names are there to be copied."""
    console = Console(highlight=False, soft_wrap=True)
    wide = max((len(flow.agreement) for one in found for flow in one.flows), default=0)
    for recipient in found:
        name = recipient.name.get(lang) or next(iter(recipient.name.values()), "")
        console.print(f"[bold]{recipient.agency}[/]  {on_drawn_line(name)}")
        for flow in recipient.flows:
            console.print(f"  {flow.agreement:<{wide}}  {flow.standing:<9}  [dim]{flow.topic}[/]")
        if not recipient.flows:
            console.print("  [dim]receives nothing[/]")
