"""Where an agreement stands on a bus that runs, beside its text in a file."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import click

from bus.agreements.document import AgreementDocument, revision
from bus.agreements.finding import words_of
from bus.cli.speaking import lines_of
from bus.errors import BusError
from bus.kafka.rights import PREVIEWER
from bus.register.life import Life, Stage
from bus.register.published import stands
from bus.register.state import AgreementEntry, RegisterState, Standing
from bus.settings import Settings
from bus.watch.reach import register_state

PATIENCE_SECONDS = 10.0


class Text(StrEnum):
    """What the text of a file is to the register."""

    NEW = "new"
    IN_FORCE = "in-force"
    PROPOSED = "proposed"
    EDITED = "edited"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one agreement stands: what is or was in force, what is proposed, and what the file's text is to both."""

    standing: str | None
    revision: str | None
    stage: Stage | None
    proposed: str | None
    approvals: Mapping[str, str]
    text: Text

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        proposal = {"revision": self.proposed, "stage": self.stage, "approvals": dict(self.approvals)}
        return {
            "standing": self.standing,
            "revision": self.revision,
            "proposal": None if self.proposed is None else proposal,
            "text": self.text,
        }

    def sentence(self, language: str) -> str:
        """For people, in one line."""
        words, stages = words_of(language)["standing"], words_of(language)["stages"]
        told = []
        if self.standing is not None:
            stage = words["paused"] if self.standing == "paused" else stages[self.standing]
            told.append(words["in-force"].format(stage=stage, revision=self.revision))
        if self.stage is not None:
            by = ", ".join(self.approvals.values())
            stage = stages[self.stage]
            told.append(words["proposed"].format(stage=f"{stage} ({by})" if by else stage, revision=self.proposed))
        return "; ".join([*told, words["text"][self.text]])


def place_of(state: RegisterState, document: AgreementDocument, now_ms: int) -> Place:
    """Where the agreement of a file stands by the register; one that is active, whether its days are over."""
    entry, proposal = state.agreements.get(document.id), state.lives.get(document.id, Life()).proposal
    in_force = None if entry is None else entry.revision
    proposed = None if proposal is None else proposal.revision
    known = {proposed: Text.PROPOSED, in_force: Text.IN_FORCE, None: Text.NEW}
    text = known.get(revision(document), Text.NEW if in_force is proposed is None else Text.EDITED)
    return Place(
        None if entry is None else _standing(state, entry, now_ms),
        in_force,
        None if proposal is None else proposal.stage,
        proposed,
        {} if proposal is None else {str(role): by for role, by in proposal.approvals.items()},
        text,
    )


def _standing(state: RegisterState, entry: AgreementEntry, now_ms: int) -> str:
    standing = state.standing_of(entry)
    return stands(entry, now_ms) if standing is Standing.ACTIVE else standing.value


def asked(language: str) -> RegisterState | None:
    """What the bus knows, None where none answers: that is told in one line on stderr, and the files go without."""
    settings = Settings()
    try:
        return asyncio.run(register_state(settings, PREVIEWER, PATIENCE_SECONDS))
    except (BusError, TimeoutError) as error:
        told = lines_of(error, language)[0].partition(": ")[2] if isinstance(error, BusError) else ""
        why = told or words_of(language)["standing"]["silent"].format(seconds=f"{PATIENCE_SECONDS:.0f}")
        click.echo(words_of(language)["standing"]["no-bus"].format(why=why), err=True)
        return None
