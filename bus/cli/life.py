"""The steps of `bus agreement`: from a first text to the end, each signed with a key of this home."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import wraps
from operator import itemgetter
from typing import Any

import click

from bus import clock
from bus.agreements.difference import differences, text_diff
from bus.agreements.document import AgreementDocument, revision
from bus.agreements.finding import words_of
from bus.agreements.sentence import sentence
from bus.agreements.written import as_written
from bus.cli.drafting import new
from bus.cli.ground import FINDINGS, Command, Ground, grounded, sound, today
from bus.cli.speaking import SpokenCommand, misuse, on_one_line
from bus.errors import NotFound, StepRefused
from bus.model.fact import Fact, FactKind
from bus.register.entries import AgreementEntry, Counted, Refused
from bus.register.life import Action, Life, Stage
from bus.register.registrar import Registrar
from bus.register.state import RegisterState
from bus.register.steps import drafting, step
from bus.settings import Settings


def _with_registrar(work: Callable[[Registrar], Awaitable[Any]]) -> Any:
    from bus.wiring import registrar_of  # noqa: PLC0415 - it imports every stage: not for --help

    async def run() -> Any:
        async with registrar_of(Settings()) as registrar:
            return await work(registrar)

    return asyncio.run(run())


def _signed(command: Command) -> Command:
    """Adds who signs and why; a refusal is told in the language of the command."""

    @click.option("--as", "key", default="operator", show_default=True, help="The id of the key that signs.")
    @click.option("--reason", required=True, help="Why: it stands in the register for ever.")
    @grounded
    @wraps(command)
    def signed(ground: Ground, *args: Any, **rest: Any) -> Any:
        try:
            return command(ground, *args, **rest)
        except StepRefused as error:
            words = words_of(ground.language)["refusals"]
            refusal = str(error.details["refusal"])
            raise StepRefused(**{**error.details, "refusal": words.get(refusal, refusal)}) from None

    return signed  # type: ignore[return-value]  # click replaces the parameters


@click.command(cls=SpokenCommand)
@click.argument("named", metavar="ID|FILE")
@_signed
def submit(ground: Ground, named: str, *, key: str, reason: str) -> None:
    """Propose a text and hand it in for review, as its author. It must have no findings.

    A text under which the recipient's programs would read a field wrongly is refused, and the field named.
    """
    text = sound(ground.find(named), ground)

    async def work(registrar: Registrar) -> None:
        await registrar.require_followed(text)
        await registrar.sign(drafting(text, await registrar.key(key), reason))

    _with_registrar(work)
    said = sentence(text, ground.datasets[text.dataset], ground.agencies, ground.language, ground.bases)
    click.echo(on_one_line(said))
    click.echo(f"{text.id}, revision {revision(text)}: {words_of(ground.language)['stages'][Stage.IN_REVIEW]}")


@click.command(cls=SpokenCommand)
@click.argument("agreement", metavar="ID")
@click.option("--revision", "wanted", help="The revision of another text that was ever handed in.")
@grounded
def text(ground: Ground, agreement: str, *, wanted: str | None) -> None:
    """Print the text that is under way as a file, as the register has it: read it before you approve.

    Where none is under way it is the one in force. Save it under its name, ID.yaml: then `show`, `diff` and `preview`
    take it. Comments and layout of the author's file are not in the register.
    """

    async def work(registrar: Registrar) -> tuple[AgreementDocument, str]:
        state = await _known(registrar, agreement)
        return _handed_in(registrar.counted, state, agreement, wanted), _stand(state, agreement, words["stages"])

    words = words_of(ground.language)
    found, stand = _with_registrar(work)
    click.echo(as_written(found), nl=False)
    click.echo(f"{agreement}, revision {revision(found)}\n{stand}", err=True)


def _handed_in(
    counted: Iterable[Counted], state: RegisterState, agreement: str, wanted: str | None
) -> AgreementDocument:
    """A text of an agreement by its revision, or the newest that is under way or in force. Raises NotFound."""
    entry, proposal = state.agreements.get(agreement), state.lives[agreement].proposal
    facts = [one.fact for one in counted if one.fact.kind is FactKind.AGREEMENT and one.fact.subject_id == agreement]
    known = {one.body["revision"]: one.body["document"] for one in facts if one.action == Action.DRAFTED}
    if entry is not None:
        known[entry.revision] = entry.document
    newest = proposal or entry
    named = wanted or ("" if newest is None else newest.revision)
    if named not in known:
        raise NotFound(kind="text", name=named, known=", ".join(known))
    return AgreementDocument.model_validate(known[named])


@click.command(cls=SpokenCommand)
@click.argument("agreement", metavar="ID")
@click.option("--revision", "read", help="The revision that you read; if another text is in review by now, refuse.")
@_signed
def approve(ground: Ground, agreement: str, *, read: str | None, key: str, reason: str) -> None:
    """Approve the text in review, for the side that the key speaks for."""

    async def work(registrar: Registrar) -> tuple[int, list[str]]:
        state = await _known(registrar, agreement)
        proposal = state.lives[agreement].proposal
        if read is None and proposal is not None:
            raise misuse(ground.language, "unread", agreement=agreement, revision=proposal.revision)
        wish = step(agreement, Action.APPROVED, await registrar.key(key), reason, read=read)
        return (await registrar.sign([wish]))[0], _review(state, agreement, ground)

    offset, lines = _with_registrar(work)
    click.echo("\n".join([*lines, _told(ground, agreement, Action.APPROVED, offset)]))


def _simple(action: Action, name: str, text: str) -> click.Command:
    """A command for a step that says no more than its action."""

    @click.command(name=name, help=text, cls=SpokenCommand)
    @click.argument("agreement", metavar="ID")
    @_signed
    def command(ground: Ground, agreement: str, *, key: str, reason: str) -> None:
        async def work(registrar: Registrar) -> int:
            await _known(registrar, agreement)
            return (await registrar.sign([step(agreement, action, await registrar.key(key), reason)]))[0]

        click.echo(_told(ground, agreement, action, _with_registrar(work)))

    return command


def _told(ground: Ground, agreement: str, action: Action, offset: int) -> str:
    words = words_of(ground.language)
    told: str = words["history"]["told"]
    return told.format(agreement=agreement, action=words["actions"][action], offset=offset)


def _review(state: RegisterState, agreement: str, ground: Ground) -> list[str]:
    """What is being approved: what the text does, and what it would do otherwise than the one in force."""
    proposal, entry = state.lives[agreement].proposal, state.agreements.get(agreement)
    if proposal is None:
        return []
    text = AgreementDocument.model_validate(proposal.document)
    lines = [sentence(text, ground.datasets.get(text.dataset), ground.agencies, ground.language, ground.bases)]
    if entry is not None:
        others = [AgreementDocument.model_validate(one.document) for one in state.agreements.values()]
        found = differences(AgreementDocument.model_validate(entry.document), text, others)
        lines += [f"• {one.sentence(ground.language)}" for one in found]
    return [on_one_line(one) for one in lines]


@click.command(cls=SpokenCommand)
@click.argument("agreements", nargs=-1, metavar="[ID]...")
@click.option("--due", is_flag=True, help="Every approved text whose first day has come.")
@_signed
def activate(ground: Ground, agreements: tuple[str, ...], *, due: bool, key: str, reason: str) -> None:
    """Bring approved texts into force, as the operator.

    A text that follows another takes over on its first day, by itself, at midnight of its time zone.
    """
    if bool(agreements) is due or key != "operator":
        raise misuse(ground.language, "activate")

    words = words_of(ground.language)

    async def work(registrar: Registrar) -> list[str]:
        state = await registrar.state()
        for one in agreements:
            await _known(registrar, one)
        names = _due(state) if due else list(agreements)
        for one in names:
            await registrar.activate(one, ground.agencies.consent_basis, reason)
        coming = (await registrar.state()).coming
        return [f"{one}: {_taking_over(coming.get(one), words)}" for one in names]

    for line in _with_registrar(work):
        click.echo(line)


def _taking_over(coming: AgreementEntry | None, words: Mapping[str, Any]) -> str:
    """What the activation of a text came to."""
    if coming is None:
        return str(words["actions"][Action.ACTIVATED])
    return f"{words['stages'][Stage.SCHEDULED]} ({AgreementDocument.model_validate(coming.document).valid.from_})"


def _due(state: RegisterState) -> list[str]:
    found = []
    for name, life in state.lives.items():
        if life.proposal is not None and life.proposal.stage is Stage.APPROVED:
            text = AgreementDocument.model_validate(life.proposal.document)
            if text.valid.from_ <= today(text.timezone):
                found.append(name)
    return found


@click.command(cls=SpokenCommand)
@click.argument("named", metavar="ID|FILE")
@click.argument("other", required=False, metavar="[OLD FILE]")
@grounded
def diff(ground: Ground, named: str, *, other: str | None) -> None:
    """Say what a text would do otherwise than the one in force, or than OLD FILE: in meaning first, then the lines.

    Exit code 1 when they differ.
    """
    text = sound(ground.find(named), ground)
    others = [one.document for one in ground.check(ground.folder) if one.document is not None]
    if other is None:
        state: RegisterState = _with_registrar(lambda registrar: registrar.state())
        entry = state.agreements.get(text.id)
        old = None if entry is None else AgreementDocument.model_validate(entry.document)
        others = [AgreementDocument.model_validate(one.document) for one in state.agreements.values()]
    else:
        old = sound(ground.find(other), ground)
    found = differences(old, text, others)
    for one in found:
        click.echo(on_one_line(f"• {one.sentence(ground.language)}"))
    lines = [on_one_line(one) for one in text_diff(old, text)]
    if not found and not lines:
        click.echo(words_of(ground.language)["differences"]["same"])
        return
    click.echo("\n" + "\n".join(lines))
    sys.exit(FINDINGS)


@click.command(cls=SpokenCommand)
@click.argument("agreement", metavar="ID")
@grounded
def history(ground: Ground, agreement: str) -> None:
    """List what happened to an agreement: when, by whom, and why; and what somebody tried who may not."""
    words = words_of(ground.language)

    async def work(registrar: Registrar) -> list[str]:
        state = await _known(registrar, agreement)
        anew = {name for name, one in state.keys.items() if one.anew}
        lines = steps_told(registrar.counted, state.refused, agreement, words, anew)
        return [*lines, _stand(state, agreement, words["stages"])]

    for line in _with_registrar(work):
        click.echo(line)


def steps_told(
    counted: Iterable[Counted],
    refused: Iterable[Refused],
    agreement: str,
    words: Mapping[str, Any],
    anew: Collection[str] = (),
) -> list[str]:
    """A line for each fact about an agreement, in order; behind one that was refused, why.

    `anew` are ids of keys for which nobody of their agency vouches: that stands behind what they signed.
    """
    mark = f"  ! {words['keys']['anew']}"
    found: list[tuple[int, Fact, str]] = [
        (one.offset, one.fact, mark if one.fact.signing_key in anew else "") for one in counted
    ]
    found += [(one.offset, one.fact, f"  ✗ {words['refusals'][one.refusal.value]}") for one in refused]
    lines = []
    for _, fact, behind in sorted(found, key=itemgetter(0)):
        if fact.kind is FactKind.AGREEMENT and fact.subject_id == agreement:
            action = words["actions"].get(fact.action, fact.action)
            told = on_one_line(f"{action}  {fact.by}: {fact.reason}")
            lines.append(f"{clock.iso(fact.at_ms)[:19]}Z  {told}{behind}")
    return lines


def _stand(state: RegisterState, agreement: str, stages: dict[str, str]) -> str:
    life, entry = state.lives.get(agreement, Life()), state.agreements.get(agreement)
    told = [] if entry is None else [f"{entry.revision}: {stages[entry.standing]}"]
    if life.proposal is not None:
        told.append(f"{life.proposal.revision}: {stages[life.proposal.stage]}")
    return "→ " + "; ".join(told)


async def _known(registrar: Registrar, agreement: str) -> RegisterState:
    state = await registrar.state()
    if agreement not in state.lives:
        raise NotFound(kind="agreement", name=agreement, known=", ".join(sorted(state.lives)) or "none")
    return state


COMMANDS = (
    new,
    submit,
    text,
    approve,
    _simple(Action.RETURNED, "return", "Return the text in review to its author; the reason says why."),
    activate,
    _simple(
        Action.SUSPENDED, "suspend", "Suspend an agreement: nothing is released, and recipients keep what they hold."
    ),
    _simple(Action.RESUMED, "resume", "Lift the suspension that this side has laid on an agreement."),
    _simple(Action.ENDED, "end", "End an agreement: copies are erased, unless its text lets the recipient keep them."),
    diff,
    history,
)
