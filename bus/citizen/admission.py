"""From acts to consent events, under the rules of now. Pure: the register, the standings and the time are handed in.

Giving is narrow: an agreement in force, that asks for consent, in a text that still counts. Withdrawing is wide: for
any agreement that was ever known, at any time, whatever the withdrawal says beside; stopping is never wrong.
"""

import difflib
from collections.abc import Iterator, Sequence
from typing import Protocol

from bus.citizen.ledger import Entered
from bus.citizen.request import Act, Finding, join, refused
from bus.consent.fold import MOST_SEEN
from bus.model.consent import Consent, ConsentAction, ConsentEvent
from bus.model.key import UNKNOWN_SUBJECT
from bus.register.state import AgreementEntry, RegisterState, Standing

SKEW_MS = 60_000
"""How far a caller's clock may be ahead of ours."""

TELLING_LENGTH = 6
"""A personal id of fewer characters may stand in an event id by chance."""


class Known(Protocol):
    """What is known here of the events that lie in `consents`."""

    def standing(self, subject: str, agreement: str) -> Consent:
        """How a person stands to an agreement."""

    def entered(self, event_id: str) -> Entered | None:
        """The event that has this id."""

    def coming(self, event_id: str) -> ConsentEvent | None:
        """The event of this id that is on its way there."""


def admit(acts: Sequence[Act], state: RegisterState, known: Known, now_ms: int, *, listed: bool) -> list[ConsentEvent]:
    """The events to be written, in the order of the acts. Raises ActsRefused: all or nothing.

    `listed` says whether the caller sent a list, for the places in findings.
    """
    places = [f"[{number}]" if listed else "" for number in range(len(acts))]
    findings = [found for place, act in zip(places, acts, strict=True) for found in _check(place, act, state, now_ms)]
    findings += _repeated(places, acts)
    findings += [found for place, act in zip(places, acts, strict=True) for found in _taken_id(place, act, known)]
    findings += _too_many(places, acts, known)
    if findings:
        raise refused(findings)
    latest: dict[tuple[str, str], int] = {}
    return [_event(act, state.agreements[act.agreement], known, latest, now_ms) for act in acts]


def asks_for_consent(entry: AgreementEntry) -> bool:
    """Whether the basis of an agreement is the person's consent."""
    return entry.document["basis"].get("consent") is not None


def _check(place: str, act: Act, state: RegisterState, now_ms: int) -> Iterator[Finding]:
    if act.subject == UNKNOWN_SUBJECT:
        yield Finding(join(place, "subject"), "it names nobody", "Send the personal id.")
    elif len(act.subject) >= TELLING_LENGTH and act.subject in act.event_id:
        remedy = "Make ids from random numbers, such as UUIDs: they travel further than personal ids may."
        yield Finding(join(place, "event_id"), "it contains the personal id", remedy)
    entry = state.agreements.get(act.agreement)
    if entry is None:
        yield _unknown(place, act.agreement, state)
    elif act.action is ConsentAction.GIVE:
        yield from _check_giving(place, act, entry, state)
        yield from _check_times(place, act, now_ms)


def _unknown(place: str, name: str, state: RegisterState) -> Finding:
    known = sorted(name for name, entry in state.agreements.items() if asks_for_consent(entry))
    close = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {close[0]}? " if close else ""
    remedy = f"{hint}Agreements that ask for consent: {', '.join(known) or 'none'}."
    return Finding(join(place, "agreement"), "there is no such agreement", remedy)


def _check_giving(place: str, act: Act, entry: AgreementEntry, state: RegisterState) -> Iterator[Finding]:
    where = join(place, "agreement")
    if state.everything_suspended:
        yield Finding(where, "everything is suspended", "Try again when the operators have mended the register.")
    elif entry.standing is not Standing.ACTIVE:
        yield Finding(where, f"the agreement is {entry.standing}", "Do not ask for this consent now.")
    if not asks_for_consent(entry):
        remedy = f"Do not ask for it: {entry.document['basis'].get('statutory')} lets these data flow."
        yield Finding(where, "the agreement rests on law and takes no consent", remedy)
    elif act.revision is not None and act.revision not in entry.accepted_revisions:
        remedy = f"Show the person the text in force, {entry.revision}, and ask again."
        yield Finding(join(place, "revision"), "this text of the agreement counts no more, or never did", remedy)


def _check_times(place: str, act: Act, now_ms: int) -> Iterator[Finding]:
    if act.at is not None and act.at > now_ms + SKEW_MS:
        yield Finding(join(place, "at"), "it lies in the future", "Set the clock, or leave it out.")
    if act.valid_until is not None and act.valid_until <= max(now_ms, act.valid_from or now_ms):
        reason = "the consent would be over before it holds"
        yield Finding(join(place, "valid_until"), reason, "Send a later end, or leave it out.")


def _repeated(places: Sequence[str], acts: Sequence[Act]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for place, act in zip(places, acts, strict=True):
        if seen.setdefault(act.event_id, place) != place:
            reason = f"the same id stands at {join(seen[act.event_id], 'event_id')}"
            yield Finding(join(place, "event_id"), reason, "Give each act an id of its own.")


def _taken_id(place: str, act: Act, known: Known) -> Iterator[Finding]:
    """An id that another act has: what is sent under it would change nothing, and be told as if it had."""
    first = known.entered(act.event_id) or known.coming(act.event_id)
    if first is None:
        return
    same = (first.subject, first.agreement, first.action) == (act.subject, act.agreement, act.action)
    given = known.coming(act.event_id) or known.standing(act.subject, act.agreement).given
    if same and act.action is ConsentAction.GIVE and given is not None and given.event_id == act.event_id:
        same = (given.valid_until_ms, given.revision) == (act.valid_until, act.revision or given.revision)
    if not same:
        yield Finding(join(place, "event_id"), "another act was sent under this id", "Give each act an id of its own.")


def _too_many(places: Sequence[str], acts: Sequence[Act], known: Known) -> Iterator[Finding]:
    """Givings that would change nothing, for no more ids are remembered of the person and the agreement."""
    seen: dict[tuple[str, str], int] = {}
    for place, act in zip(places, acts, strict=True):
        pair = (act.subject, act.agreement)
        before = known.standing(*pair).seen
        if act.event_id in before:
            continue
        seen[pair] = seen.get(pair, len(before)) + 1
        if act.action is ConsentAction.GIVE and seen[pair] > MOST_SEEN:
            reason = f"the person acted {MOST_SEEN} times on this agreement, and can only withdraw from now on"
            yield Finding(join(place, "agreement"), reason, "Look for what sends so many acts.")


def _event(
    act: Act, entry: AgreementEntry, known: Known, latest: dict[tuple[str, str], int], now_ms: int
) -> ConsentEvent:
    at = _moment(act, known, latest, now_ms)
    giving = act.action is ConsentAction.GIVE
    return ConsentEvent(
        event_id=act.event_id,
        subject=act.subject,
        agreement=act.agreement,
        revision=act.revision or entry.revision,
        action=act.action,
        given_by=act.given_by,
        proof=act.proof,
        valid_from_ms=at if act.valid_from is None or not giving else act.valid_from,
        valid_until_ms=act.valid_until if giving else None,
        at_ms=at,
    )


def _moment(act: Act, known: Known, latest: dict[tuple[str, str], int], now_ms: int) -> int:
    """When the person acted.

    Where the caller does not say, it is now, and later than what came before: a giving not later than the last
    withdrawal would change nothing. A withdrawal never lies in the future, where it would undo what is given after it.
    """
    key = (act.subject, act.agreement)
    if act.at is not None:
        at = min(act.at, now_ms) if act.action is ConsentAction.WITHDRAW else act.at
    else:
        withdrawn = known.standing(*key).withdrawn_at_ms
        at = max(now_ms, latest.get(key, 0) + 1, 0 if withdrawn is None else withdrawn + 1)
    latest[key] = max(at, latest.get(key, 0))
    return at
