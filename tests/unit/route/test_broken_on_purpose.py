"""The model test can fail: the lane is broken in one place, and the model sees it.

Histories are drawn alike at each run (`derandomize`), until the machine or what it imports is changed; most faults are
seen within seconds. Those that have taken longer are `long`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from bus.agreements.route import Route
from bus.consent import fold as folding
from bus.model.consent import Consent, ConsentEvent
from bus.model.reasons import Reason
from bus.route import lane as lanes
from bus.route import outlet as outlets
from bus.route.batch import Unreadable
from bus.route.commands import ending
from bus.route.decide import erases, too_soon
from bus.route.held import Copy, Holding
from bus.route.rules import Rule
from bus.route.state import DeadVersion, Draft
from bus.route.store.memory import MemoryState
from tests.unit.route.model.machine import LaneAgainstModel

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
    patch.setattr(Draft, "take_due", lambda *_: True)


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
        for (dataset, key), held in outcome.draft.moved():
            if "law" in held:
                state.put_held(dataset, key, held)
        return outcome

    patch.setattr(lanes.LaneCore, "draft", draft)


def never_look_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rule, "sweep_text", lambda *_: None)


def look_at_everybody_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rule, "standing_text", lambda rule, now_ms: f"{rule.phase(now_ms)}{rule.sweep_text(now_ms)}")


def let_the_old_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Route, "too_old", lambda *_: False)


def update_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outlets, "too_soon", lambda *_: False)


def let_a_new_text_wait(patch: pytest.MonkeyPatch) -> None:
    def waits(held: Holding, rule: Rule, now_ms: int) -> bool:
        return too_soon(held._replace(revision=rule.route.revision), rule, now_ms)

    patch.setattr(outlets, "too_soon", waits)


def forget_retention(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outlets, "new_copy", lambda parts: Copy(parts[0], None))


def keep_as_long_as_before(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outlets, "due_under", lambda held, _: held.due_ms)


def release_what_was_superseded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lanes, "ending", lambda command, _: ending(command, DeadVersion(command.change.origin.offset)))


def forget_what_was_discarded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lanes, "DeadVersion", lambda offset, **_: DeadVersion(offset))


def leave_the_old_name(patch: pytest.MonkeyPatch) -> None:
    whole: Any = outlets.Outlet.__init__

    def made(outlet: Any, *words: Any) -> None:
        whole(outlet, *words)
        deliver = outlet._deliver
        outlet._deliver = lambda one: deliver(one) if one.reason is not Reason.PSEUDONYMS_RENEWED else None

    patch.setattr(outlets.Outlet, "__init__", made)


def keep_the_old_epoch(patch: pytest.MonkeyPatch) -> None:
    whole = Rule.standing_text
    patch.setattr(Rule, "standing_text", lambda rule, now_ms: whole(replace(rule, epoch=1), now_ms))


def judge_those_for_whom_more_waits(patch: pytest.MonkeyPatch) -> None:
    whole: Any = lanes._Work.take_consents
    patch.setattr(lanes._Work, "take_consents", lambda work, events, _: whole(work, events, frozenset()))


def erase_all_at_once(patch: pytest.MonkeyPatch) -> None:
    whole = Draft.take_due
    patch.setattr(Draft, "take_due", lambda draft, _, weigh: whole(draft, 1000, weigh))


def let_poison_delete(patch: pytest.MonkeyPatch) -> None:
    whole: Any = lanes._Work._bury

    def bury(work: Any, letter: Unreadable) -> None:
        whole(work, letter)
        if letter.of is not None:
            work._draft.records[letter.of] = None

    patch.setattr(lanes._Work, "_bury", bury)


def pass_over_what_was_lost(patch: pytest.MonkeyPatch) -> None:
    def keys_after(state: MemoryState, dataset: str, after: bytes, limit: int) -> list[bytes]:
        return [key for key in sorted(state.records[dataset]) if key > after][:limit]

    patch.setattr(MemoryState, "keys_after", keys_after)


def take_what_was_lost_for_deleted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lanes, "LOST", None)


def let_all_stay_that_was_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lanes, "unjudged", lambda reason, *_: reason)


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(pass_over_what_was_lost, marks=pytest.mark.long),
        take_what_was_lost_for_deleted,
        let_all_stay_that_was_lost,
        release_what_was_superseded,
        forget_what_was_discarded,
        leave_the_old_name,
        keep_the_old_epoch,
        pytest.param(judge_those_for_whom_more_waits, marks=pytest.mark.long),
        erase_all_at_once,
        let_poison_delete,
        never_look_again,
        look_at_everybody_again,
        let_the_old_pass,
        update_at_once,
        let_a_new_text_wait,
        forget_retention,
        keep_as_long_as_before,
        forget_what_was_seen,
        let_an_older_giving_count,
        keep_what_expired,
        sleep_through_expiry,
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
        max_examples=2000,
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
