"""What becomes of an operator's order about a dead letter: values and one pure decision."""

from dataclasses import dataclass

from bus.model.change import Change
from bus.model.command import CommandKind, Ending
from bus.route.state import DeadVersion

CUT_FROM = "dead-cut-from"
"""The header of a dead letter of which only the beginning is left: nobody can say what the rest of it was."""


@dataclass(frozen=True, slots=True)
class Command:
    """One order, with the dead letter that it names as the shell found it.

    `letter` is its offset in `deadletters`, or, with a `connector`, among what that one set aside. `change` is the
    change that the letter was to be, with its own offset; None when it names no record. `trouble` is an ending that the
    shell has found already.
    """

    command_id: str
    kind: CommandKind
    letter: int
    by: str
    reason: str
    at_ms: int
    change: Change | None = None
    trouble: Ending | None = None
    connector: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """An order and what became of it."""

    command: Command
    ending: Ending


def ending(command: Command, newest: DeadVersion | None) -> Ending:
    """What is to become of an order; `newest` is the dead letter that is the newest version of its record, if one is.

    A letter is released once at most, and never over a newer version: both follow from `newest` naming another one.
    """
    if command.trouble is not None:
        return command.trouble
    if command.change is None:
        return Ending.DISCARDED if command.kind is CommandKind.DISCARD else Ending.NO_CHANGE
    if newest is None or newest.offset != command.change.origin.offset:
        return Ending.SUPERSEDED
    if newest.discarded:
        return Ending.CLOSED_BEFORE
    return Ending.DISCARDED if command.kind is CommandKind.DISCARD else Ending.RELEASED
