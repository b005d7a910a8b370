"""The life of an agreement against a naive model, over random histories."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """A list of what happened, read anew at each question."""

    happened: list[Act] = field(default_factory=list)

    def proposal(self) -> list[Act]:
        """What happened to the text under way, from its drafting on; empty without one."""
        for number in range(len(self.happened) - 1, -1, -1):
            if self.happened[number].action in {Action.ACTIVATED, Action.ENDED}:
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

    def in_force(self) -> str | None:
        """The revision whose activation no end followed."""
        found = None
        for act in self.happened:
            if act.action is Action.ACTIVATED:
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

    def may(self, act: Act) -> bool:
        """The rules, one after the other."""
        if act.role is None or not act.reason or act.number != len(self.happened) + 1:
            return False
        if act.action in {Action.SUSPENDED, Action.RESUMED, Action.ENDED}:
            held = {Action.SUSPENDED: act.role not in self.holders(), Action.RESUMED: act.role in self.holders()}
            return self.in_force() is not None and held.get(act.action, True)
        if act.action is Action.ACTIVATED:
            soon = self.in_force() is not None and not act.due
            return act.role is Role.OPERATOR and self.names_it(act) and len(self.review() or ()) == 2 and not soon
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
    (Action.APPROVED, "Bình", Role.REGISTRY),
    (Action.APPROVED, "Chi", Role.RECIPIENT),
    (Action.ACTIVATED, "Dũng", Role.OPERATOR),
]
usual = st.sampled_from(TEXTS).map(lambda text: [Act(what, 0, who, role, "because", text) for what, who, role in USUAL])
histories = st.lists(st.one_of(acts.map(lambda act: [act]), usual), max_size=12).map(
    lambda parts: [act for part in parts for act in part]
)


@settings(max_examples=300, deadline=None)
@given(histories, st.integers(0, 9))
def test_random_lives(history: list[Act], slip: int) -> None:
    """Over any history, a step is taken exactly when the naive model allows it, and leads where the model says."""
    life, naive = Life(), Naive()
    for position, wished in enumerate(history):
        number = life.steps + (1 if position != slip else 0)  # once, somebody says the same step again
        act = Act(**{name: getattr(wished, name) for name in Act.__slots__} | {"number": number})
        allowed = naive.may(act)
        if not allowed:
            with pytest.raises(NotAllowed):
                advance(life, act)
            continue
        life = advance(life, act)
        naive.happened.append(act)
        in_force = None if life.ended else life.in_force
        assert in_force == naive.in_force()
        assert (life.proposal is None) == (not naive.proposal())
        if in_force is not None:
            assert life.held_by == naive.holders()
        if act.action is Action.ACTIVATED:
            assert_two_people_approved(naive)


def assert_two_people_approved(naive: Naive) -> None:
    """What came into force was approved for both sides, since it was drafted, by two people other than its author."""
    upto = len(naive.happened) - 1
    start = max(number for number in range(upto) if naive.happened[number].action is Action.DRAFTED)
    approvals = {act.role: act.holder for act in naive.happened[start:upto] if act.action is Action.APPROVED}
    assert {Role.REGISTRY, Role.RECIPIENT} <= approvals.keys()
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
    held = lived(5, (Action.SUSPENDED, "Bình", Role.REGISTRY))
    waiting = lived(4, text="second", life=held)
    assert waiting.in_force == "first"
    early = Act(Action.ACTIVATED, waiting.steps + 1, "Dũng", Role.OPERATOR, "because", "second", due=False)
    with pytest.raises(NotAllowed) as caught:
        advance(waiting, early)
    assert caught.value.refusal is Refusal.NOT_DUE
    after = lived(5, text="second", life=held)
    assert after.in_force == "second"
    assert after.held_by == {Role.REGISTRY}


def test_each_side_lifts_its_own_suspension_only() -> None:
    """What the registry's side suspended, neither the recipient nor the operator can resume."""
    held = lived(5, (Action.SUSPENDED, "Bình", Role.REGISTRY))
    for holder, role in (("Chi", Role.RECIPIENT), ("Dũng", Role.OPERATOR)):
        with pytest.raises(NotAllowed) as caught:
            lived(0, (Action.RESUMED, holder, role), life=held)
        assert caught.value.refusal is Refusal.NOT_HELD
    assert not lived(0, (Action.RESUMED, "An", Role.REGISTRY), life=held).held_by


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [Refusal, Stage, Action])
def test_each_word_is_spoken(language: str, kind: type[Refusal | Stage | Action]) -> None:
    """Every refusal, stage and action has its words in each language."""
    spoken: Mapping[str, str] = words_of(language)[{Refusal: "refusals", Stage: "stages", Action: "actions"}[kind]]
    assert {one.value for one in kind} <= spoken.keys()
    assert all(spoken.values())
