"""The life of an agreement against a naive model, over random histories."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.agreements.finding import LANGUAGES, words_of
from bus.model.signature import Role
from bus.register.life import Act, Action, Life, NotAllowed, Refusal, Stage, advance

TEXTS = ("first", "second")
PEOPLE = ("An", "Bình", "Chi", "Dũng")
ROLES: tuple[Role | None, ...] = (*Role, None)


@dataclass
class Naive:
    """A list of what happened, and which of it brought a text into force; read anew at each question."""

    happened: list[Act] = field(default_factory=list)
    in_force_by: list[bool] = field(default_factory=list)

    def happen(self, act: Act) -> None:
        at_once = act.action is Action.ACTIVATED and (act.due or self.in_force() is None)
        self.in_force_by.append(at_once or act.action is Action.TOOK_EFFECT)
        self.happened.append(act)

    def proposal(self) -> list[Act]:
        """What happened to the text under way, from its drafting on; empty without one."""
        for number in range(len(self.happened) - 1, -1, -1):
            if self.in_force_by[number] or self.happened[number].action is Action.ENDED:
                return []
            if self.happened[number].action is Action.DRAFTED:
                return self.happened[number:]
        return []

    def review(self) -> list[Act] | None:
        """The approvals since the text was handed in last; None when it is not in review."""
        found: list[Act] | None = None
        for act in self.proposal():
            if act.action is Action.SUBMITTED:
                found = []
            elif act.action is Action.RETURNED:
                found = None
            elif act.action is Action.APPROVED and found is not None:
                found.append(act)
        return found

    def waits(self) -> bool:
        """Whether the text under way was activated since it was handed in last, and waits for its day."""
        told = [act.action for act in self.proposal() if act.action in {Action.ACTIVATED, Action.RETURNED}]
        return told[-1:] == [Action.ACTIVATED]

    def in_force(self) -> str | None:
        """The revision that came into force last, unless an end followed."""
        found = None
        for act, counts in zip(self.happened, self.in_force_by, strict=True):
            if counts:
                found = act.revision
            elif act.action is Action.ENDED:
                found = None
        return found

    def holders(self) -> set[Role | None]:
        """Who holds it suspended; an end wipes that out."""
        held: set[Role | None] = set()
        for act in self.happened:
            if act.action is Action.SUSPENDED:
                held.add(act.role)
            elif act.action is Action.RESUMED:
                held.discard(act.role)
            elif act.action is Action.ENDED:
                held.clear()
        return held

    def steps(self) -> int:
        """What people did; that a day came is nobody's doing."""
        return sum(act.action is not Action.TOOK_EFFECT for act in self.happened)

    def may(self, act: Act) -> bool:
        """The rules, one after the other."""
        if act.action is Action.TOOK_EFFECT:
            return self.in_force() == act.revision or (self.names_it(act) and self.waits() and act.due)
        if act.role is None or not act.reason or act.number != self.steps() + 1:
            return False
        if act.action in {Action.SUSPENDED, Action.RESUMED, Action.ENDED}:
            held = {Action.SUSPENDED: act.role not in self.holders(), Action.RESUMED: act.role in self.holders()}
            return self.in_force() is not None and held.get(act.action, True)
        return self.may_propose(act)

    def may_propose(self, act: Act) -> bool:
        if act.action is Action.ACTIVATED:
            approved = len(self.review() or ()) == 2 and not self.waits()
            return act.role is Role.OPERATOR and self.names_it(act) and approved
        if act.role is Role.OPERATOR:
            return False
        if act.action is Action.DRAFTED:
            return act.revision != self.in_force()
        return self.names_it(act) and self.may_judge(act)

    def names_it(self, act: Act) -> bool:
        return bool(self.proposal()) and self.proposal()[0].revision == act.revision

    def may_judge(self, act: Act) -> bool:
        approvals = self.review()
        if act.action is Action.SUBMITTED or approvals is None:
            return act.action is Action.SUBMITTED and approvals is None
        if act.action is Action.RETURNED:
            return True
        again = any(act.role is one.role or act.holder == one.holder for one in approvals)
        return not again and act.holder != self.proposal()[0].holder


acts = st.builds(
    Act,
    action=st.sampled_from(Action),
    number=st.just(0),
    holder=st.sampled_from(PEOPLE),
    role=st.sampled_from(ROLES),
    reason=st.sampled_from(("because", "because", "because", "")),
    revision=st.sampled_from(TEXTS),
    due=st.booleans(),
)
USUAL = [
    (Action.DRAFTED, "An", Role.RECIPIENT),
    (Action.SUBMITTED, "An", Role.RECIPIENT),
    (Action.APPROVED, "Bình", Role.REGISTRIES),
    (Action.APPROVED, "Chi", Role.RECIPIENT),
    (Action.ACTIVATED, "Dũng", Role.OPERATOR),
]
DAY = (Action.TOOK_EFFECT, "a router", None)


def whole(text: str, *, due: bool) -> list[Act]:
    """A life from the draft into force; before its first day, up to it, a day later it takes effect."""
    steps = USUAL if due else [*USUAL, DAY]
    return [
        Act(what, 0, who, role, "because", text, due=due or what is Action.TOOK_EFFECT) for what, who, role in steps
    ]


usual = st.builds(whole, st.sampled_from(TEXTS), due=st.booleans())
cut = st.builds(lambda acts, upto: acts[:upto], usual, st.integers(3, 6))


def told(text: str, role: Role, *actions: Action) -> list[Act]:
    """One side, or the operator, takes steps one after the other."""
    return [Act(action, 0, "An", role, "because", text) for action in actions]


EPISODES = (
    (Action.SUSPENDED,),
    (Action.SUSPENDED, Action.RESUMED),
    (Action.RESUMED,),
    (Action.ENDED,),
    (Action.RETURNED,),
    (Action.RETURNED, Action.SUBMITTED),
    (Action.DRAFTED, Action.SUBMITTED),
)
episode = st.builds(
    lambda text, role, actions: told(text, role, *actions),
    st.sampled_from(TEXTS),
    st.sampled_from(Role),
    st.sampled_from(EPISODES),
)
followed = st.builds(
    lambda acts, role, actions: [*acts, *told(acts[0].revision, role, *actions)],
    st.one_of(usual, cut),
    st.sampled_from(Role),
    st.sampled_from(EPISODES),
)
histories = st.lists(st.one_of(acts.map(lambda act: [act]), usual, cut, episode, followed, followed), max_size=10).map(
    lambda parts: [act for part in parts for act in part]
)
seen: Counter[tuple[Action, Role | None]] = Counter()
"""The steps that were taken in random lives, by role; with role None: days that came."""


@settings(max_examples=400, deadline=None, derandomize=True)
@given(histories, st.integers(0, 9))
def one_life(history: list[Act], slip: int) -> None:
    life, naive = Life(), Naive()
    for position, wished in enumerate(history):
        number = life.steps + (1 if position != slip else 0)  # once, somebody says the same step again
        act = replace(wished, number=number)
        if not naive.may(act):
            with pytest.raises(NotAllowed):
                advance(life, act)
            continue
        before, life = life, advance(life, act)
        if act.action is Action.TOOK_EFFECT and before.in_force == act.revision and not before.ended:
            assert life is before
            continue
        naive.happen(act)
        seen[act.action, act.role if act.action is not Action.TOOK_EFFECT else None] += 1
        in_force = None if life.ended else life.in_force
        assert in_force == naive.in_force()
        assert (life.proposal is None) == (not naive.proposal())
        assert (life.proposal is not None and life.proposal.scheduled) == naive.waits()
        if in_force is not None:
            assert life.held_by == naive.holders()
        if naive.in_force_by[-1]:
            assert_two_people_approved(naive)


def test_random_lives() -> None:
    """Over any history a step is taken exactly when a naive model allows it, and leads where it says; each is met."""
    seen.clear()
    one_life()
    sides, everybody = {Role.REGISTRIES, Role.RECIPIENT}, set(Role)
    theirs = dict.fromkeys((Action.DRAFTED, Action.SUBMITTED, Action.APPROVED, Action.RETURNED), sides)
    theirs |= dict.fromkeys((Action.SUSPENDED, Action.RESUMED, Action.ENDED), everybody)
    assert seen.keys() == {
        *((action, role) for action, roles in theirs.items() for role in roles),
        (Action.ACTIVATED, Role.OPERATOR),
        (Action.TOOK_EFFECT, None),
    }
    assert min(seen.values()) >= 3, seen


def assert_two_people_approved(naive: Naive) -> None:
    """What came into force was approved for both sides, since it was drafted, by two people other than its author."""
    upto = len(naive.happened) - 1
    start = max(number for number in range(upto) if naive.happened[number].action is Action.DRAFTED)
    approvals = {act.role: act.holder for act in naive.happened[start:upto] if act.action is Action.APPROVED}
    assert {Role.REGISTRIES, Role.RECIPIENT} <= approvals.keys()
    assert len({naive.happened[start].holder, *approvals.values()}) == 3


def lived(upto: int, *more: tuple[Action, str, Role], text: str = "first", life: Life | None = None) -> Life:
    life = life or Life()
    for action, holder, role in [*USUAL[:upto], *more]:
        life = advance(life, Act(action, life.steps + 1, holder, role, "because", text))
    return life


@pytest.mark.parametrize(
    ("upto", "stage"),
    [(1, Stage.DRAFT), (2, Stage.IN_REVIEW), (3, Stage.APPROVED_BY_REGISTRY), (4, Stage.APPROVED)],
)
def test_stages(upto: int, stage: Stage) -> None:
    """A text says where it stands between its draft and its second approval."""
    proposal = lived(upto).proposal
    assert proposal is not None
    assert proposal.stage is stage


def test_returned_with_grounds() -> None:
    """A returned text keeps its grounds, loses its approvals, and can be handed in again."""
    returned = lived(3, (Action.RETURNED, "Chi", Role.RECIPIENT)).proposal
    assert returned is not None
    assert (returned.stage, returned.grounds, returned.approvals) == (Stage.RETURNED, "because", {})
    again = lived(3, (Action.RETURNED, "Chi", Role.RECIPIENT), (Action.SUBMITTED, "An", Role.RECIPIENT)).proposal
    assert again is not None
    assert again.stage is Stage.IN_REVIEW


def test_the_old_text_stays_until_the_new_one_takes_over() -> None:
    """A second text goes through review beside the first, and takes over on its day, not before; a hold stays."""
    held = lived(5, (Action.SUSPENDED, "Bình", Role.REGISTRIES))
    waiting = lived(4, text="second", life=held)
    assert waiting.in_force == "first"
    early = Act(Action.ACTIVATED, waiting.steps + 1, "Dũng", Role.OPERATOR, "because", "second", due=False)
    scheduled = advance(waiting, early)
    assert scheduled.proposal is not None
    assert (scheduled.in_force, scheduled.proposal.stage) == ("first", Stage.SCHEDULED)
    day = Act(Action.TOOK_EFFECT, 0, "a router", None, "its day", "second", due=False)
    with pytest.raises(NotAllowed) as caught:
        advance(scheduled, day)
    assert caught.value.refusal is Refusal.NOT_DUE
    after = advance(scheduled, replace(day, due=True))
    assert (after.in_force, after.held_by) == ("second", frozenset({Role.REGISTRIES}))
    assert after.steps == scheduled.steps
    assert advance(after, day) is after


def test_a_scheduled_text_can_be_called_back() -> None:
    """Until its day either side may return a scheduled text; then its day changes nothing."""
    scheduled = advance(
        lived(4, text="second", life=lived(5)),
        Act(Action.ACTIVATED, 10, "Dũng", Role.OPERATOR, "because", "second", due=False),
    )
    again = replace(Act(Action.ACTIVATED, 11, "Dũng", Role.OPERATOR, "because", "second"))
    with pytest.raises(NotAllowed) as caught:
        advance(scheduled, again)
    assert caught.value.refusal is Refusal.SCHEDULED
    back = lived(0, (Action.RETURNED, "Chi", Role.RECIPIENT), text="second", life=scheduled)
    with pytest.raises(NotAllowed) as caught:
        advance(back, Act(Action.TOOK_EFFECT, 0, "a router", None, "its day", "second"))
    assert caught.value.refusal is Refusal.NOT_APPROVED
    assert back.in_force == "first"


def test_each_side_lifts_its_own_suspension_only() -> None:
    """What the registry's side suspended, neither the recipient nor the operator can resume."""
    held = lived(5, (Action.SUSPENDED, "Bình", Role.REGISTRIES))
    for holder, role in (("Chi", Role.RECIPIENT), ("Dũng", Role.OPERATOR)):
        with pytest.raises(NotAllowed) as caught:
            lived(0, (Action.RESUMED, holder, role), life=held)
        assert caught.value.refusal is Refusal.NOT_HELD
    assert not lived(0, (Action.RESUMED, "An", Role.REGISTRIES), life=held).held_by


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [Refusal, Stage, Action])
def test_each_word_is_spoken(language: str, kind: type[Refusal | Stage | Action]) -> None:
    """Every refusal, stage and action has its words in each language."""
    spoken: Mapping[str, str] = words_of(language)[{Refusal: "refusals", Stage: "stages", Action: "actions"}[kind]]
    assert {one.value for one in kind} <= spoken.keys()
    assert all(spoken.values())
