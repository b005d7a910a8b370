"""What a lane takes for one transaction, and what it drafts of that: values between its core and its shell."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bus.model.change import Change
from bus.model.consent import ConsentEvent, UnreadableConsent
from bus.model.reasons import Reason
from bus.model.record import Incoming
from bus.route.commands import Command, Completion
from bus.route.outlet import Delivery
from bus.route.state import Draft, Position

Decode = Callable[[bytes], Mapping[str, Any]]
"""A framed record to its values. Raises RecordUnreadable or SchemaUnknown: poison."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is no change: kept in `deadletters` as it came, with the reason."""

    record: Incoming
    reason: str
    of: tuple[str, bytes] | None = None
    """(dataset, key) of the record that it was to be a version of; None where the key cannot be read."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the shell read for one transaction, and up to where."""

    consents: Sequence[ConsentEvent | UnreadableConsent] = ()
    changes: Sequence[Change | Unreadable] = ()
    consents_offset: int = 0
    input_offsets: Mapping[str, int] = field(default_factory=dict)
    commands: Sequence[Command] = ()
    commands_offset: int = 0
    later_consents: Sequence[ConsentEvent | UnreadableConsent] | None = None
    """Consent events that are known and did not fit, of those pairs that `consents` are about; None when none wait.

    While some wait nothing is judged but what the events taken are about, and no pair that a later event changes.
    """

    gone: Sequence[tuple[str, bytes]] = ()
    """(agreement, record key) of copies held of records that the log has forgotten, see `LaneCore.gone`."""

    existing_limit: int = 200
    """Records that exist already and are judged anew, at the most."""

    catch_up_limit: int | None = None
    """How many of them under rules whose standing has changed; None: as many as the changes leave room for."""


@dataclass(slots=True)
class Outcome:
    """A drafted transaction: the draft to apply after the commit, and what to write."""

    draft: Draft
    deliveries: list[Delivery] = field(default_factory=list)
    withheld: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    dead: list[Unreadable] = field(default_factory=list)
    completions: list[Completion] = field(default_factory=list)
    caught_up: int = 0
    """Records that exist already and were judged under rules whose standing has changed."""

    lagging: bool = False
    """More of them wait."""

    def worth_writing(self, before: Position) -> bool:
        """False when nothing was read, judged or due: then there is no transaction."""
        after = self.draft.position
        moved = (after.consents_offset, after.register_offset, after.inputs, after.commands_offset) != (
            before.consents_offset,
            before.register_offset,
            before.inputs,
            before.commands_offset,
        )
        return moved or bool(self.deliveries or self.draft.cursors or self.draft.due_taken or self.dead)
