"""What an auditor is told of one person: who got what, on which ground, and whether a withdrawal held."""

from typing import Any

import pytest

from bus.model.consent import ConsentAction, ConsentEvent, GivenBy, UnreadableConsent
from bus.model.reasons import Reason
from bus.watch.disclosed import Act, Disclosed, in_order

BANK = "person-address-to-bank"
TEXTS = {"by-consent": {"basis": {"consent": "required"}}, "by-law": {"basis": {"statutory": "L"}}}


def act(action: str, event_id: str, at_ms: int, until_ms: int | None = None) -> ConsentEvent:
    given = ConsentAction(action)
    return ConsentEvent(event_id, "001", BANK, "by-consent", given, GivenBy.SELF, "paper", 0, until_ms, at_ms)


GIVEN, STOPPED = act("GIVE", "give", 10), act("WITHDRAW", "stop", 20)


def block(consents_offset: int, *, consent: str | None, text: str = "by-consent", kind: str = "RELEASE") -> Any:
    entry = {
        "kind": kind,
        "agreement": BANK,
        "recipient": "commercial-bank",
        "revision": text,
        "basis": "B",
        "consent": consent,
        "reason": None if kind == "RELEASE" else "consent-withdrawn",
        "event_id": "e-0",
    }
    return {"at": 1000, "consents_offset": consents_offset, "entries": [entry]}


def told(acts: list[Act], *blocks: Any) -> list[str]:
    """What is told, in order: acts by what they are, releases and erasures with what covers them not."""
    found = in_order(list(enumerate(acts, start=40)), blocks, TEXTS)
    return [f"{one.kind} {one.uncovered}" if isinstance(one, Disclosed) else one.as_json()["what"] for one in found]


def test_a_withdrawal_that_held() -> None:
    """An act stands before the first block that knew it; what was released before is covered by it, and then erased."""
    blocks = (block(41, consent="give"), block(42, consent="give", kind="ERASE"))
    assert told([GIVEN, STOPPED], *blocks) == ["consented", "RELEASE None", "withdrew", "ERASE None"]


@pytest.mark.parametrize(
    ("acts", "released", "why"),
    [
        ([GIVEN, STOPPED], block(42, consent="give"), Reason.CONSENT_WITHDRAWN),
        ([], block(40, consent="give"), Reason.CONSENT_MISSING),
        ([], block(40, consent=None), Reason.CONSENT_MISSING),
        ([GIVEN], block(41, consent="another"), Reason.CONSENT_MISSING),
        ([act("GIVE", "give", 10, until_ms=1000)], block(41, consent="give"), Reason.CONSENT_EXPIRED),
        ([GIVEN, UnreadableConsent("001", BANK, 15)], block(42, consent="give"), Reason.CONSENT_UNREADABLE),
    ],
    ids=["after-a-withdrawal", "never-given", "names-none", "names-another", "expired", "unreadable"],
)
def test_a_release_that_no_consent_covered(acts: list[Act], released: Any, why: Reason) -> None:
    """A release is judged by the consents that its lane knew, whatever the router made of them."""
    assert told(acts, released)[-1] == f"RELEASE {why}"


def test_what_the_law_lets_flow_needs_no_consent() -> None:
    """Under a statutory text a withdrawal stops nothing, and nothing of it is told as wrong."""
    assert told([STOPPED], block(41, consent=None, text="by-law")) == ["withdrew", "RELEASE None"]
