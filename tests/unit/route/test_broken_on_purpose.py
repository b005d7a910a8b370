"""The model test can fail: the lane is broken in one place, and the model sees it.

Those that take the model more than some seconds to find are `long`.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from bus.agreements.route import Route
from bus.consent import fold as folding
from bus.model.consent import Consent, ConsentEvent
from bus.model.reasons import Reason
from bus.route import lane as lanes
from bus.route.decide import erases, too_soon
from bus.route.memory import MemoryState
from bus.route.rules import Rule
from bus.route.state import Draft, Holding
from tests.unit.route.test_model import LaneAgainstModel

Break = Callable[[pytest.MonkeyPatch], None]


def forget_what_was_seen(patch: pytest.MonkeyPatch) -> None:
    whole = folding.fold

    def fold(before: Consent, event: ConsentEvent) -> Consent:
        return whole(Consent(before.given, before.withdrawn_at_ms, frozenset(), before.unreadable), event)

    patch.setattr(lanes, "fold", fold)


def let_an_older_giving_count(patch: pytest.MonkeyPatch) -> None:
    whole = folding.fold

    def fold(before: Consent, event: ConsentEvent) -> Consent:
        return whole(Consent(before.given, None, before.seen, before.unreadable), event)

    patch.setattr(lanes, "fold", fold)


def keep_what_expired(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lanes, "erases", lambda reason, route: reason is not Reason.CONSENT_EXPIRED and erases(reason, route))


def sleep_through_expiry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Draft, "take_due", lambda *_: [])


def ignore_validity(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rule, "phase", lambda *_: "within")


def follow_the_clock_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lanes, "max", lambda first, second, *_: first, raising=False)


def stop_catching_up_early(patch: pytest.MonkeyPatch) -> None:
    whole = MemoryState.keys_after
    patch.setattr(MemoryState, "keys_after", lambda *words: whole(*words)[:-1])


def take_a_refused_draft_over(patch: pytest.MonkeyPatch) -> None:
    whole: Any = lanes.LaneCore.draft

    def draft(core: Any, state: MemoryState, *rest: Any) -> Any:
        outcome = whole(core, state, *rest)
        for (dataset, key), held in outcome.draft.holdings.items():
            if "law" in held:
                state.put_holdings(dataset, key, held)
        return outcome

    patch.setattr(lanes.LaneCore, "draft", draft)


def never_look_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rule, "sweep_text", lambda *_: None)


def look_at_everybody_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rule, "standing_text", lambda rule, now_ms: f"{rule.phase(now_ms)}{rule.sweep_text(now_ms)}")


def let_the_old_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Route, "too_old", lambda *_: False)


def update_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lanes, "too_soon", lambda *_: False)


def let_a_new_text_wait(patch: pytest.MonkeyPatch) -> None:
    def waits(held: Holding, view_hash: bytes, route: Route, now_ms: int) -> bool:
        return too_soon(held._replace(revision=route.revision), view_hash, route, now_ms)

    patch.setattr(lanes, "too_soon", waits)


def forget_retention(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lanes, "Holding", lambda *words: Holding(*words)._replace(due_ms=None))


@pytest.mark.parametrize(
    "break_it",
    [
        never_look_again,
        look_at_everybody_again,
        let_the_old_pass,
        update_at_once,
        pytest.param(let_a_new_text_wait, marks=pytest.mark.long),
        pytest.param(forget_retention, marks=pytest.mark.long),
        forget_what_was_seen,
        pytest.param(let_an_older_giving_count, marks=pytest.mark.long),
        pytest.param(keep_what_expired, marks=pytest.mark.long),
        pytest.param(sleep_through_expiry, marks=pytest.mark.long),
        pytest.param(ignore_validity, marks=pytest.mark.long),
        follow_the_clock_back,
        stop_catching_up_early,
        take_a_refused_draft_over,
    ],
)
def test_model_sees_it(break_it: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane that is broken in this one place does not pass the model test."""
    break_it(monkeypatch)
    hunt = settings(
        max_examples=1000,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(LaneAgainstModel, settings=hunt)
