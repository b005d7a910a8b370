"""`bus disclosures`: what went out about one person."""

import asyncio
import json
import sys

import click

from bus import clock
from bus.cli.ground import FINDINGS
from bus.cli.speaking import on_one_line
from bus.model.reasons import Reason
from bus.settings import Settings
from bus.watch.disclosed import About, Disclosed, Said, disclosed
from bus.watch.reach import looking

ADMIN = "admin"
_MEANINGS = {one.value: one.meaning for one in Reason}
_SAID = {"GIVE": "consented", "WITHDRAW": "withdrew"}


@click.command()
@click.option(
    "--subject",
    default=lambda: click.prompt("The personal id", err=True),
    metavar="ID",
    help="The personal id; left out, it is asked for, and stands in no list of processes and no history.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def disclosures(subject: str, *, as_json: bool) -> None:
    """Tell what went out about one person: when, to whom, under which text and on which ground, and what was erased.

    What the person consented to and withdrew stands between, in the order in which their lane took it: no clock decides
    what came first. A release that no consent covered is marked, and ends this with 1. Reads one lane of the log of
    disclosures, of consents and of the lanes' books, as an administrator, with the bus's root key. Which fields a
    text releases is told by `bus agreement text ID --revision TEXT`.
    """
    found = asyncio.run(_about(subject))
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
    else:
        for line in _lines(found):
            click.echo(on_one_line(line))
    sys.exit(FINDINGS if found.uncovered else 0)


async def _about(subject: str) -> About:
    async with looking(Settings(), ADMIN) as look:
        return await disclosed(look, subject)


def _lines(found: About) -> list[str]:
    lines = [f"{clock.iso(one.at_ms)}  {_told(one, found)}" for one in found.happened]
    lines = lines or ["nothing is known here of a person with this id"]
    held = (f"{agreement} {count}" for agreement, count in sorted(found.held.items()))
    lines.append(f"held by recipients now, records by agreement: {', '.join(held) or 'none'}")
    lines.append(f"releases without a consent that covered them: {found.uncovered}")
    return lines


def _told(one: Disclosed | Said, found: About) -> str:
    if isinstance(one, Said):
        if one.event is None:
            return f"unreadable  {one.agreement}: it counts as a withdrawal"
        by = f"{one.event.event_id}, by {one.event.given_by.value.lower()}, proof {one.event.proof}"
        return f"{_SAID[one.event.action]:10}  {one.agreement}: {by}"
    what = f"{one.agreement} (text {one.revision}) to {one.recipient}"
    if one.kind != "RELEASE":
        reason = "" if one.reason is None else f": {one.reason}. {_MEANINGS.get(one.reason, '')}"
        return f"{'erased':10}  {what}{reason}"
    article = found.texts.get(one.revision, {}).get("basis", {}).get("article")
    ground = f"consent {one.consent}" if one.consent else f"{article} ({one.basis})" if article else one.basis
    wrong = "" if one.uncovered is None else f"  ✗ {one.uncovered}: {one.uncovered.meaning}"
    return f"{'released':10}  {what}, by {ground}{wrong}"
