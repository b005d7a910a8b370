"""`bus key`: the keys of people and offices, with which they sign the steps of agreements."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from bus.errors import WrongUse
from bus.model.signature import PublicKey, Role
from bus.platform.home import Home
from bus.register.offices import made_key
from bus.register.registrar import Registrar
from bus.register.steps import key_added, key_revoked
from bus.settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _with_registrar(work: Callable[[Registrar], Awaitable[Any]]) -> Any:
    from bus.wiring import registrar_of  # noqa: PLC0415 - it imports every stage: not for --help

    async def run() -> Any:
        async with registrar_of(Settings()) as registrar:
            return await work(registrar)

    return asyncio.run(run())


@click.group()
def key() -> None:
    """Keys of people and offices: make one, let the register know it, revoke it."""


@key.command("new")
@click.argument("name")
@click.option("--holder", required=True, help="The person or office that will hold it.")
@click.option("--agency", default="", help="The agency it speaks for; none for an operator.")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What it speaks for.")
def new(name: str, *, holder: str, agency: str, role: str) -> None:
    """Make a key: the secret stays in this BUS_HOME, the public half is printed, for `bus key add`."""
    home = Home.from_settings(Settings())
    if home.has_secret(f"keys/{name}"):
        raise WrongUse(what=f"there is a key {name} already", instead="Choose another id: an id is given once.")
    made = made_key(home, key=name, holder=holder, agency=agency, role=Role(role))
    click.echo(json.dumps(made.public.body(), ensure_ascii=False, indent=2))


@key.command("add")
@click.argument("file", type=_FILE)
@click.option("--as", "signer", default="operator", show_default=True, help="The id of the key that signs.")
@click.option("--reason", default="the key's holder takes part", show_default=True, help="Why.")
def add(file: Path, *, signer: str, reason: str) -> None:
    """Let the register know a key, from the FILE that `bus key new` printed.

    The operator adds the first key of an agency; the others are added by the agency itself.
    """
    try:
        added = PublicKey.of(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError) as error:
        raise WrongUse(
            what=f"{file} holds no public key", instead="Give the file that `bus key new` printed."
        ) from error

    async def work(registrar: Registrar) -> None:
        await registrar.sign([key_added(added, await registrar.key(signer), reason)])

    _with_registrar(work)
    click.echo(f"{added.id}: {added.holder}, {added.agency or '-'}, {added.role}")


@key.command("revoke")
@click.argument("name")
@click.option("--as", "signer", default="operator", show_default=True, help="The id of the key that signs.")
@click.option("--reason", required=True, help="Why: it stands in the register for ever.")
def revoke(name: str, *, signer: str, reason: str) -> None:
    """Let a key count no more from here on; what it signed before stays."""

    async def work(registrar: Registrar) -> None:
        await registrar.sign([key_revoked(name, await registrar.key(signer), reason)])

    _with_registrar(work)
    click.echo(f"{name} is revoked")


@key.command("list")
def list_command() -> None:
    """List the keys that the register knows; a star marks those whose secret lies in this BUS_HOME."""
    home = Home.from_settings(Settings())
    keys = _with_registrar(lambda registrar: registrar.state()).keys
    for entry in keys.values():
        here = "*" if home.has_secret(f"keys/{entry.key.id}") else " "
        state = "revoked" if entry.revoked else ""
        told = f"{entry.key.agency or '-':24} {entry.key.role:10} {entry.key.holder} {state}"
        click.echo(f"{here} {entry.key.id:36} {told}".rstrip())
