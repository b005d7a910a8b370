"""`bus consent`."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding

from bus.citizen.client import ConsentClient
from bus.cli.speaking import on_drawn_line
from bus.model.consent import ConsentAction, GivenBy
from bus.settings import Settings

PATIENCE_SECONDS = 30.0

_subject = click.option(
    "--subject",
    default=lambda: click.prompt("The personal id", err=True),
    metavar="ID",
    help="The personal id; left out, it is asked for, and stands in no list of processes and no history.",
)
_agreement = click.option("--agreement", required=True, metavar="NAME", help="What is consented to.")
_given_by = click.option(
    "--given-by",
    type=click.Choice([by.value for by in GivenBy], case_sensitive=False),
    default=GivenBy.SELF.value.lower(),
    show_default=True,
    help="Who acts: the person, a guardian, or a clerk on their word.",
)
_proof = click.option("--proof", metavar="TEXT", help="Where the evidence lies.  [default: cli:<event id>]")
_no_wait = click.option("--no-wait", is_flag=True, help="Return when it is written, before it has taken effect.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")


@click.group()
def consent() -> None:
    """Give, withdraw and show a citizen's consents, as the citizens' app does.

    A consent event is `pending` once it is written, and `effective` once the router has passed it: from then on
    nothing is released against it. BUS_CITIZEN names a consent API elsewhere.
    """


@consent.command()
@_subject
@_agreement
@_given_by
@click.option("--valid-until", metavar="TIME", help="RFC 3339, as 2026-12-31T00:00:00+07:00; else until withdrawn.")
@_proof
@_no_wait
@_json
def give(**words: Any) -> None:
    """Give a consent to the text of an agreement that is in force now."""
    _act(ConsentAction.GIVE, **words)


@consent.command()
@_subject
@_agreement
@_given_by
@_proof
@_no_wait
@_json
def withdraw(**words: Any) -> None:
    """Withdraw a consent: what recipients hold by it is erased, and nothing more is released."""
    _act(ConsentAction.WITHDRAW, **words)


@consent.command()
@_subject
@click.option("--lang", default="en", show_default=True, help="Language of titles and standings, where there is one.")
@_json
def show(subject: str, lang: str, *, as_json: bool) -> None:
    """Show how a person stands to every agreement, those that rest on law included."""
    with ConsentClient.from_settings(Settings()) as client:
        found = client.standings(subject, lang)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    elif found:
        _print(found, lang)
    else:
        click.echo("No agreement shares anything about people.")


def _act(action: ConsentAction, *, no_wait: bool, as_json: bool, **words: Any) -> None:
    with ConsentClient.from_settings(Settings()) as client:
        (told,) = client.send([_document(action, **words)])
        if not as_json:
            click.echo(f"pending    partition {told['partition']} offset {told['offset']}")
        if not no_wait:
            seconds = client.until_effective(told["partition"], told["offset"], PATIENCE_SECONDS)
            told |= {"state": "effective", "effective_after_ms": round(seconds * 1000)}
            if not as_json:
                click.echo(f"effective  after {told['effective_after_ms']} ms")
        if action is ConsentAction.WITHDRAW and not as_json:
            standings = client.standings(words["subject"])
            lawful = (
                one for one in standings if one["standing"] == "by-law" and one["agreement"] == words["agreement"]
            )
            for one in lawful:  # the withdrawal is taken, and stops nothing
                click.echo(one["words"])
    if as_json:
        click.echo(json.dumps(told))


def _document(action: ConsentAction, *, given_by: str, proof: str | None, **words: Any) -> dict[str, Any]:
    event_id = str(uuid.uuid4())
    return {
        "event_id": event_id,
        "action": action.value,
        "given_by": given_by.upper(),
        "proof": proof or f"cli:{event_id}",
        **words,
    }


def _print(found: list[dict[str, Any]], lang: str) -> None:
    """What a person may decide about first, then what the law decides; a few lines each, never cut."""
    console = Console(highlight=False)
    decidable = [one for one in found if one["standing"] != "by-law"]
    lawful = [one for one in found if one["standing"] == "by-law"]
    for title, listed in (("By consent", decidable), ("By law; consent is not asked for", lawful)):
        if listed:
            console.print(f"[bold]{title}[/]")
        for one in listed:
            recipient = _text(one["recipient"]["name"], lang) or one["recipient"]["id"]
            console.print(Padding(f"[bold]{one['agreement']}[/]  {recipient}: {_text(one['title'], lang)}", (0, 2)))
            console.print(Padding(_standing(one), (0, 4)))


def _standing(one: dict[str, Any]) -> str:
    given = one["given"] or {}
    when = given.get("at") or one["withdrawn_at"]
    since = f" Since {when}." if when else ""
    until = f" Until {given['valid_until']}." if given.get("valid_until") else ""
    suspended = "" if one["agreement_standing"] == "active" else f" The agreement is {one['agreement_standing']}."
    colour = {"consented": "green", "by-law": "dim"}.get(one["standing"], "yellow")
    return f"[{colour}]{one['words']}[/]{since}{until}{suspended}"


def _text(words: Mapping[str, str], lang: str) -> str:
    """A text in the language, or in the first that there is."""
    return on_drawn_line(words.get(lang) or next(iter(words.values()), ""))
