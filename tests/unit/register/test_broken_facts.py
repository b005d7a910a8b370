"""Facts that are signed, or look it, and make no sense: the register keeps them for ever, so nobody may stumble."""

import contextlib
from typing import Any

import pytest

from bus.model.fact import Fact, FactKind
from bus.model.signature import SigningKey
from bus.register.log import fact_message, fact_of
from bus.register.state import Standing
from tests.unit.register.book import BOSS, DESK, NOW, OPERATOR, TAX, peopled

DEPTH = 100_000


@pytest.mark.parametrize(
    ("signer", "kind", "action", "body"),
    [
        (BOSS, FactKind.AGREEMENT, "suspended", {"step": None}),
        (BOSS, FactKind.AGREEMENT, "suspended", {"step": float("inf")}),
        (BOSS, FactKind.AGREEMENT, "drafted", {"step": 6, "document": TAX.model_dump(mode="json"), "revision": 7}),
        (DESK, FactKind.KEY, "added", {"id": "x", "public": 7, "holder": "", "agency": "", "role": "recipient"}),
        (OPERATOR, FactKind.PSEUDONYMS, "begun", {"step": 1, "epoch": [], "check": ""}),
        (OPERATOR, FactKind.DATASET, "enrolled", {"step": 1, "registry": "a", "schema": {}, "schema_id": None}),
    ],
)
def test_whatever_a_signed_body_is_made_of(
    signer: SigningKey, kind: FactKind, action: str, body: dict[str, Any]
) -> None:
    """The fold counts it, refuses it or says that it is broken, and raises nothing else."""
    state = peopled().life().state
    name = TAX.id if kind is FactKind.AGREEMENT else "x"
    fact = signer.sign(Fact(kind, name, action, body, "", "because", NOW), state.bus)
    with contextlib.suppress(ValueError, KeyError):
        state = state.apply(fact, state.offset)
    assert state.agreements[TAX.id].standing is Standing.ACTIVE


def test_a_body_without_a_bottom() -> None:
    """A body that is nested beyond what can be read, or be put into one spelling, is broken like any other."""
    fact = Fact(FactKind.ROUTE, "x", "paused", {}, "operator", "because", NOW, b"\1" * 64, "operator")
    deep = '{"in":' * DEPTH + "1" + "}" * DEPTH
    with pytest.raises(ValueError, match="too deep"):
        fact_of({**fact_message(fact), "body": deep})
    for _ in range(DEPTH):
        fact = Fact(fact.kind, "x", "paused", {"in": fact.body}, "operator", "because", NOW, b"\1" * 64, "operator")
    state = peopled().state
    with pytest.raises(ValueError, match="broken"):
        state.apply(fact, state.offset)
