"""A register in memory, and the people who write into it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bus.agreements.document import AgreementDocument
from bus.model.fact import Fact, FactKind
from bus.model.signature import Role, SigningKey
from bus.register.counted import counted
from bus.register.entries import Counted
from bus.register.life import Action, Refusal
from bus.register.state import RegisterState
from bus.register.steps import (
    Ground,
    Wish,
    activation,
    drafting,
    enrolment,
    key_added,
    of_operator,
    signed_facts,
    step,
)
from tests.country import AGREEMENTS
from tests.unit.agreements.ground import AGENCIES, DATASETS

SEEDS = Path(__file__).parents[3] / "seeds"
TAX = next(one for one in AGREEMENTS if one.id == "person-to-tax")
NARROWER = TAX.model_copy(update={"fields": TAX.fields[:1]})
GROUND = Ground("t.agency.tax-authority.person-to-tax.v1", 7)
NOW = 1_790_000_000_000


def key(name: str, agency: str, role: Role, *, seed: int, holder: str = "") -> SigningKey:
    """A key that is the same in each run."""
    return SigningKey.of(bytes([seed]) * 32, key=name, holder=holder or name, agency=agency, role=role)


OPERATOR = key("operator", "", Role.OPERATOR, seed=1)
DESK = key("tax.desk", "tax-authority", Role.RECIPIENT, seed=2)
BOSS = key("tax.boss", "tax-authority", Role.RECIPIENT, seed=3)
POLICE = key("police", "public-security", Role.REGISTRIES, seed=4)
BANK = key("bank", "commercial-bank", Role.RECIPIENT, seed=5)
BOSS_AT_HOME = key("boss.home", "public-security", Role.REGISTRIES, seed=6, holder=BOSS.public.holder)
STRANGER = key("stranger", "tax-authority", Role.RECIPIENT, seed=9)


@dataclass
class Book:
    """A register in memory."""

    state: RegisterState = field(default_factory=RegisterState)
    facts: list[Fact] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)
    now_ms: int = NOW
    """The broker's clock."""

    def tell(self, *facts: Fact) -> "Book":
        """Written straight to the topic, whoever may."""
        for fact in facts:
            self.facts.append(fact)
            before, self.state = self.state, self.state.apply(fact, self.state.offset, self.now_ms)
            if (one := counted(before, self.state, fact, self.now_ms)) is not None:
                self.counted.append(one)
        return self

    def plain(self, kind: FactKind, name: str, action: str, body: Mapping[str, Any]) -> "Book":
        """A fact that nobody signed."""
        return self.tell(Fact(kind, name, action, dict(body), "operator", "a test", self.now_ms))

    def sign(self, *wishes: Wish) -> "Book":
        """What is wished for, as the registrar would write it."""
        return self.tell(*signed_facts(wishes, self.state, self.now_ms))

    def life(self, text: AgreementDocument = TAX) -> "Book":
        """A text of TAX, from its draft into force."""
        return self.sign(*drafting(text, DESK, "a wish"), approve(POLICE), approve(BOSS), activate(text))

    def refused(self, fact: Fact) -> Refusal | None:
        """Why a fact is refused, None if it is not; whatever is refused must change nothing."""
        before, count = self.state, self.state.refused_count
        self.tell(fact)
        if self.state.refused_count == count:
            return None
        same = replace(self.state, refused=before.refused, refused_count=count, offset=before.offset)
        assert same == before
        return self.state.refused[-1].refusal


def founded() -> Book:
    """A bus that nobody has joined yet."""
    return Book().plain(
        FactKind.BUS,
        "bus",
        "founded",
        {"prefix": "t.", "lanes": 8, "group": "g", "id": "this-bus", "keys": [OPERATOR.public.body()]},
    )


def peopled() -> Book:
    """A bus with the pretend country's agencies and datasets, and keys of those who deal with TAX."""
    book = founded()
    for agency in AGENCIES.agencies:
        book.sign(enrol(FactKind.AGENCY, agency.id, agency.model_dump(mode="json", exclude={"id"})))
    for name, dataset in DATASETS.items():
        body = {"registry": dataset.registry, "schema": dataset.schema, "schema_id": 1}
        book.sign(enrol(FactKind.DATASET, name, body))
    firsts = [key_added(one.public, OPERATOR) for one in (DESK, POLICE, BANK)]
    return book.sign(*firsts, key_added(BOSS.public, DESK), key_added(BOSS_AT_HOME.public, POLICE))


def enrol(kind: FactKind, name: str, body: Mapping[str, Any]) -> Wish:
    """Somebody or something takes part."""
    return enrolment(kind, name, body, OPERATOR, "a test")


def route(name: str, action: str) -> Wish:
    """An operator's word on a flow."""
    return of_operator(FactKind.ROUTE, name, action, OPERATOR, "a test")


def approve(signer: SigningKey) -> Wish:
    """The text of TAX, approved."""
    return step(TAX.id, Action.APPROVED, signer, "it is right")


def activate(text: AgreementDocument = TAX) -> Wish:
    """A text of TAX, activated."""
    return activation(text, GROUND, "CONSENT", OPERATOR, "both agreed")


def raw(book: Book, signer: SigningKey, action: str, body: Mapping[str, Any], reason: str = "because") -> Fact:
    """A well-signed fact that nobody judged before it was written."""
    steps = book.state.lives[TAX.id].steps if TAX.id in book.state.lives else 0
    told = {"step": steps + 1, **body}
    return signer.sign(Fact(FactKind.AGREEMENT, TAX.id, action, told, "", reason, NOW), book.state.bus)
