"""`bus key`: the keys with which people and offices sign, and those with which recipients' pseudonyms are made."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import click

from bus.agreements.finding import LANGUAGES, number, words_of
from bus.cli.speaking import SpokenCommand, SpokenGroup, language_of, misuse, on_one_line
from bus.errors import KeyStepRefused, NotFound, StepRefused, WrongUse
from bus.kafka.rights import OPERATOR
from bus.model.signature import PublicKey, Role
from bus.platform.home import Home
from bus.register.keys import spelt_otherwise
from bus.register.offices import made_key
from bus.register.registrar import Registrar
from bus.register.steps import key_added, key_revoked
from bus.settings import Settings
from bus.watch.effect import until_effective
from bus.watch.epochs import EpochView, require_free, survey_epochs
from bus.watch.reach import looking

ADMIN = "admin"

PATIENCE_SECONDS = 30.0

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _with_registrar(work: Callable[[Registrar], Awaitable[Any]]) -> Any:
    from bus.wiring import registrar_of  # noqa: PLC0415 - it imports every stage: not for --help

    async def run() -> Any:
        async with registrar_of(Settings()) as registrar:
            return await work(registrar)

    try:
        return asyncio.run(run())
    except StepRefused as error:
        raise KeyStepRefused(**_refused(error.details)) from None


def _refused(details: Mapping[str, Any]) -> dict[str, Any]:
    """Who refused what, in the reader's language; of keys some reasons say more than of agreements."""
    words = words_of(language_of(click.get_current_context()))
    action, refusal = str(details["action"]), str(details["refusal"])
    reasons = {**words["refusals"], **words["keys"]["refusals"]}
    told = {"action": words["keys"]["steps"].get(action, action), "refusal": reasons.get(refusal, refusal)}
    return {**details, **told}


class _KeyCommand(SpokenCommand):
    family = "key"


class _KeyGroup(SpokenGroup):
    family = "key"
    command_class = _KeyCommand


_spoken = click.option(
    "--lang", type=click.Choice(LANGUAGES), expose_value=False, help="Language (default: the locale's)."
)


def _words() -> Mapping[str, Any]:
    """What these commands say, in the reader's language."""
    words: Mapping[str, Any] = words_of(language_of(click.get_current_context()))["keys"]
    return words


def _misuse(code: str, **names: str) -> WrongUse:
    return misuse(language_of(click.get_current_context()), code, **names)


@click.group(cls=_KeyGroup)
@_spoken
def key() -> None:
    """Keys with which people and offices sign; keys with which pseudonyms are made (rotate, epochs, destroy)."""


@key.command("new")
@click.argument("name")
@click.option("--holder", required=True, help="The person or office that will hold it.")
@click.option("--agency", default="", help="The agency it speaks for; none for an operator.")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What it speaks for.")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="A new file for the public half.")
@_spoken
def new(name: str, *, holder: str, agency: str, role: str, out: Path | None) -> None:
    """Make a key: the secret stays in this BUS_HOME, the public half is printed, for `bus key add`."""
    home = Home.from_settings(Settings())
    if home.has_secret(f"keys/{name}"):
        raise _misuse("key-exists", name=name)
    if out is not None and (out.exists() or not out.parent.is_dir()):
        raise _misuse("no-new-file", file=str(out))
    try:
        made = made_key(home, key=name, holder=holder, agency=agency, role=Role(role))
    except ValueError as error:
        raise _misuse("key-name", name=name) from error
    told = json.dumps(made.public.body(), ensure_ascii=False, indent=2)
    if out is not None:
        out.write_text(f"{told}\n", encoding="utf-8")
    click.echo(told if out is None else out)


@key.command("add")
@click.argument("file", type=_FILE)
@click.option("--as", "signer", default="operator", show_default=True, help="The id of the key that signs.")
@click.option("--reason", default="the key's holder takes part", show_default=True, help="Why.")
@_spoken
def add(file: Path, *, signer: str, reason: str) -> None:
    """Let the register know a key, from the FILE that `bus key new` printed.

    The operator adds the first key of an agency; the others are added by the agency itself.
    """
    try:
        added = PublicKey.of(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError) as error:
        raise _misuse("no-public-key", file=str(file)) from error

    async def work(registrar: Registrar) -> None:
        state = await registrar.state()
        if added.agency and added.agency not in state.agencies:
            raise NotFound(kind="agency", name=added.agency, known=", ".join(sorted(state.agencies)) or "none")
        known = spelt_otherwise(added.holder, state.keys)
        if known is not None:
            raise _misuse("holder-spelt", holder=added.holder, known=known)
        await registrar.sign([key_added(added, await registrar.key(signer), reason)])

    _with_registrar(work)
    click.echo(f"{added.id}: {added.holder}, {added.agency or '-'}, {added.role}")


@key.command("revoke")
@click.argument("name")
@click.option("--as", "signer", default="operator", show_default=True, help="The id of the key that signs.")
@click.option("--reason", required=True, help="Why: it stands in the register for ever.")
@_spoken
def revoke(name: str, *, signer: str, reason: str) -> None:
    """Let a key count no more from here on; what it signed before stays."""

    async def work(registrar: Registrar) -> None:
        await registrar.sign([key_revoked(name, await registrar.key(signer), reason)])

    _with_registrar(work)
    click.echo(_words()["revoked"].format(name=name))


@key.command("list")
@_spoken
def list_command() -> None:
    """List the keys that the register knows; a star marks those whose secret lies in this BUS_HOME."""
    home, words = Home.from_settings(Settings()), _words()
    keys = _with_registrar(lambda registrar: registrar.state()).keys
    for entry in keys.values():
        here = "*" if home.has_secret(f"keys/{entry.key.id}") else " "
        state = "; ".join([words["anew"]] * entry.anew + [words["state"]] * entry.revoked)
        told = f"{entry.key.id:36} {entry.key.agency or '-':24} {entry.key.role:10} {entry.key.holder} {state}"
        click.echo(f"{here} {on_one_line(told)}".rstrip())


@key.command("rotate")
@click.argument("recipient")
@click.option("--reason", required=True, help="Why: it stands in the register for ever.")
@click.option("--no-wait", is_flag=True, help="Return when it is written, before it has taken effect.")
@_spoken
def rotate(recipient: str, *, reason: str, no_wait: bool) -> None:
    """Begin a new epoch of a recipient's pseudonyms, under a key that is drawn now.

    Every record that the recipient holds under a pseudonym is released under its new one, and the old copy erased, in
    one transaction. When nothing is held under the old epoch any more, `bus key destroy` ends it.
    """
    epoch, offset = _with_registrar(lambda registrar: registrar.rotate(recipient, reason))
    words = _words()
    click.echo(words["rotated"].format(recipient=recipient, epoch=epoch, offset=offset))
    if not no_wait:
        seconds = asyncio.run(_until_effective(offset))
        click.echo(words["effective"].format(seconds=f"{seconds:.1f}"))


async def _until_effective(offset: int) -> float:
    async with looking(Settings(), OPERATOR) as look:
        return await until_effective(look, offset, PATIENCE_SECONDS)


@key.command("epochs")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@_spoken
def epochs(*, as_json: bool) -> None:
    """List the epochs of recipients' pseudonyms, and how many copies each recipient holds under them.

    Reads the lanes' books whole, as an administrator.
    """
    found = asyncio.run(_epochs())
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], indent=2))
        return
    words, language = _words(), language_of(click.get_current_context())
    for one in found:
        told = words["epoch"].format(epoch=f"{one.epoch:<4}", copies=number(f"{one.copies:>12,}", language))
        click.echo(f"{one.recipient:24} {told}  {words['epochs'][one.state]}")


async def _epochs() -> list[EpochView]:
    async with looking(Settings(), ADMIN) as look:
        return await survey_epochs(look)


@key.command("destroy")
@click.argument("recipient")
@click.argument("epoch", type=click.IntRange(min=1))
@click.option("--reason", required=True, help="Why: it stands in the register for ever.")
@_spoken
def destroy(recipient: str, epoch: int, *, reason: str) -> None:
    """Destroy the key of an epoch of a recipient's pseudonyms. It cannot be undone.

    From then on no key leads from a pseudonym of that epoch to a person, the root key included. Whole records, with the
    ids of their events, are still found in the log of disclosures by who reads that and has the root key. Refused while
    a copy is held under the epoch. Other machines that route hold the key too: run it there as well.
    """
    asyncio.run(_require_free(recipient, epoch))
    _with_registrar(lambda registrar: registrar.destroy_epoch(recipient, epoch, reason))
    click.echo(_words()["destroyed"].format(epoch=epoch, recipient=recipient))


async def _require_free(recipient: str, epoch: int) -> None:
    async with looking(Settings(), ADMIN) as look:
        await require_free(look, recipient, epoch)
