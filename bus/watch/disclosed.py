"""`bus disclosures`: what went out about one person, on which ground, and whether a consent covered it then.

No clock decides: a block of disclosures names the offset of `consents` up to which its lane knew them.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from bus import clock
from bus.avro.own import Message
from bus.consent.covers import cover_of, uncovered
from bus.consent.fold import NEVER, fold, fold_unreadable
from bus.consent.messages import consent_event, pair_of
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.kafka.log import Place
from bus.kafka.whole import whole
from bus.model.consent import Consent, ConsentEvent, UnreadableConsent
from bus.model.fact import FactKind
from bus.model.key import lane_of
from bus.model.reasons import Reason
from bus.platform.salts import Salts
from bus.register.life import Action
from bus.watch.reach import Look

Act = ConsentEvent | UnreadableConsent


@dataclass(frozen=True, slots=True)
class Disclosed:
    """One release or erasure. `uncovered` says why no consent allowed a release that names one or needed one."""

    at_ms: int
    kind: str
    agreement: str
    recipient: str
    revision: str
    basis: str
    consent: str | None
    reason: str | None
    event_id: str
    uncovered: Reason | None

    def as_json(self) -> dict[str, Any]:
        """For machines; see the README of this folder."""
        return {
            "at": clock.iso(self.at_ms),
            "what": "released" if self.kind == "RELEASE" else "erased",
            "agreement": self.agreement,
            "recipient": self.recipient,
            "revision": self.revision,
            "basis": self.basis,
            "consent": self.consent,
            "reason": self.reason,
            "event_id": self.event_id,
            "uncovered": None if self.uncovered is None else self.uncovered.value,
        }


@dataclass(frozen=True, slots=True)
class Said:
    """What the person said to an agreement, or what nobody could read, which counts as a withdrawal."""

    at_ms: int
    agreement: str
    event: ConsentEvent | None

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        event = self.event
        return {
            "at": clock.iso(self.at_ms),
            "what": "unreadable" if event is None else {"GIVE": "consented", "WITHDRAW": "withdrew"}[event.action],
            "agreement": self.agreement,
            "consent": None if event is None else event.event_id,
            "given_by": None if event is None else event.given_by.value,
            "proof": None if event is None else event.proof,
            "revision": None if event is None else event.revision,
        }


@dataclass(frozen=True, slots=True)
class About:
    """All that is known of one person: what happened, in the order of their lane, and what is held now."""

    happened: tuple[Disclosed | Said, ...]
    texts: Mapping[str, Mapping[str, Any]]
    """The texts of agreements, by revision."""

    held: Mapping[str, int]
    """Agreement → how many records its recipient holds."""

    @property
    def uncovered(self) -> int:
        """How many releases no consent covered."""
        return sum(isinstance(one, Disclosed) and one.uncovered is not None for one in self.happened)

    def as_json(self) -> dict[str, Any]:
        """For machines; see the README of this folder."""
        listed = [one.as_json() for one in self.happened]
        return {"happened": listed, "held": dict(self.held), "uncovered": self.uncovered}


async def disclosed(look: Look, subject: str) -> About:
    """Read one person's lane, whole. Raises RootKeyMissing, RootKeyWrong: a person is known there by a keyed hash."""
    marked = Salts(look.home).keyring(look.register.state.root_check).subject_hash(subject)
    lane, topics = lane_of(subject, look.topics.lanes), look.topics
    blocks: list[Message] = []
    async for records in whole(look.access, [Place(topics.disclosures, lane)]):
        for record in records:
            block = await look.messages.decode(record.value or b"")
            mine = [one for one in block["entries"] if one["subject"] == marked]
            blocks += [{**block, "entries": mine}] if mine else []
    acts: list[tuple[int, Act]] = []
    async for records in whole(look.access, [Place(topics.consents, lane)]):  # now: no block knew more of them
        for record in records:
            pair = pair_of(record.key)
            if pair is None or pair[0] != subject:
                continue
            act: Act = UnreadableConsent(*pair, record.timestamp_ms)
            try:
                event = consent_event(await look.messages.decode(record.value or b""))
                act = event if (event.subject, event.agreement) == pair else act
            except (ValueError, KeyError, RecordUnreadable, SchemaUnknown):
                pass  # it counts as a withdrawal
            acts.append((record.offset, act))
    texts = {
        one.fact.body["revision"]: one.fact.body["document"]
        for one in look.register.counted
        if one.fact.kind is FactKind.AGREEMENT and one.fact.action == Action.DRAFTED
    }
    return About(tuple(in_order(acts, blocks, texts)), texts, await _held(look, lane, subject))


async def _held(look: Look, lane: int, subject: str) -> Counter[str]:
    """Agreement → how many records about the person its recipient holds, by the lane's books."""
    begin, found = f"/{subject}/".encode(), dict[bytes, Counter[str]]()
    async for records in whole(look.access, [Place(look.topics.lane_state, lane)]):
        for record in records:
            kind, _, rest = (record.key or b"").partition(b"/")
            if kind == b"holding" and rest[rest.find(b"/") :].startswith(begin):
                message = {"held": ()} if record.value is None else await look.messages.decode(record.value)
                found[rest] = Counter(one["agreement"] for one in message["held"])
    return sum(found.values(), Counter[str]())


def in_order(
    acts: Iterable[tuple[int, Act]], blocks: Iterable[Message], texts: Mapping[str, Any]
) -> Iterator[Disclosed | Said]:
    """What happened to one person as their lane saw it; each release beside the consents that the lane knew.

    `acts` are the person's, by offset; `blocks` hold entries about the person alone; `texts` are those of agreements,
    by revision.
    """
    waiting, standings = deque(sorted(acts, key=itemgetter(0))), dict[str, Consent]()
    for block in blocks:
        while waiting and waiting[0][0] < block["consents_offset"]:
            yield _said(waiting.popleft()[1], standings)
        for entry in block["entries"]:
            basis = texts.get(entry["revision"], {}).get("basis", {})
            standing, why = standings.get(entry["agreement"], NEVER), None
            if entry["kind"] == "RELEASE" and (entry["consent"] is not None or basis.get("consent") is not None):
                why = _uncovered(standing, entry["consent"], block["at"])
            yield Disclosed(
                block["at"],
                entry["kind"],
                entry["agreement"],
                entry["recipient"],
                entry["revision"],
                entry["basis"],
                entry["consent"],
                entry["reason"],
                entry["event_id"],
                why,
            )
    for _, act in waiting:
        yield _said(act, standings)


def _said(act: Act, standings: dict[str, Consent]) -> Said:
    """An act that the lane has taken in: from here on it counts."""
    before = standings.get(act.agreement, NEVER)
    if isinstance(act, UnreadableConsent):
        standings[act.agreement] = fold_unreadable(before, act.at_ms)
        return Said(act.at_ms, act.agreement, None)
    standings[act.agreement] = fold(before, act)
    return Said(act.at_ms, act.agreement, act)


def _uncovered(standing: Consent, named: str | None, at_ms: int) -> Reason | None:
    """Why a release stood on no consent: the one that it names must be the one that stood, and hold at that time."""
    cover = cover_of(standing)
    if cover.lacking is None and cover.event_id != named:
        return Reason.CONSENT_MISSING
    return uncovered(cover, {cover.revision}, at_ms)
