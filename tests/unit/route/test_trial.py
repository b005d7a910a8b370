"""What `bus agreement try` explains, against what a lane decides, over random records, days and consents."""

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bus.agreements.compile import compile_route
from bus.agreements.document import AgreementDocument, revision
from bus.agreements.moments import midnight_ms
from bus.agreements.shape import shape_of
from bus.agreements.trial import CONSENTS, try_out
from bus.agreements.values import written_value
from bus.agreements.view import view_schema
from bus.avro.codec import decode, parse
from bus.avro.frame import unframe
from bus.consent.covers import cover_of
from bus.consent.fold import NEVER, fold
from bus.model.consent import Consent, ConsentAction, ConsentEvent, GivenBy
from bus.register.state import Standing
from bus.route.decide import Term, decide
from bus.route.rules import Rule
from bus.route.seen import Seen
from tests.country import AGREEMENTS
from tests.unit.agreements.ground import DATASETS
from tests.unit.avro.strategies import values

TEXTS = [one for one in AGREEMENTS if DATASETS[one.dataset].subject is not None]
SUBJECT = "001090000017"


def pseudonym(value: str) -> str:
    """As the trial shows one."""
    return f"pseudonym of {value}"


def rule_of(document: AgreementDocument) -> Rule:
    """A text, in force."""
    route = compile_route(
        document,
        DATASETS[document.dataset],
        number=1,
        topic="t",
        view_schema_id=1,
        pseudonym=pseudonym,
        consent_basis_code="C",
    )
    return Rule(route, Standing.ACTIVE, parse(route.view_schema, schema_id=1), 8, pseudonym)


def standing(document: AgreementDocument, said: str) -> Consent:
    """What events come to what the trial calls so."""
    until = 1 if said == "expired" else None
    named = (SUBJECT, document.id, revision(document))
    first = ConsentEvent("e1", *named, ConsentAction.GIVE, GivenBy.SELF, "p", 0, until, 1)
    last = ConsentEvent("e2", *named, ConsentAction.WITHDRAW, GivenBy.SELF, "p", 0, None, 2)
    events = {"none": [], "withdrawn": [first, last]}.get(said, [first])
    found = NEVER
    for event in events:
        found = fold(found, event)
    return found


@given(st.data(), st.sampled_from(TEXTS), st.sampled_from(sorted(CONSENTS)), st.integers(-30, 4_000))
@settings(max_examples=150)
def test_a_trial_is_what_a_lane_decides(data: st.DataObject, document: AgreementDocument, said: str, days: int) -> None:
    """The same release, value for value, or the same reason for withholding."""
    dataset, at = DATASETS[document.dataset], date(2026, 1, 1) + timedelta(days)
    record = data.draw(values(dataset.schema))
    if "status" in record and data.draw(st.booleans()):
        record["status"] = "ALIVE"
    if data.draw(st.booleans()):
        record.pop(data.draw(st.sampled_from(sorted(record))))
    now_ms, rule = midnight_ms(at, document.timezone), rule_of(document)
    decision = decide(Seen(b"", record), SUBJECT, cover_of(standing(document, said)), Term.of(rule, now_ms), now_ms)
    trial = try_out(document, dataset, record, consent=said, at=at)
    if isinstance(decision, bytes):
        shapes = shape_of(view_schema(document, dataset)).fields
        view = decode(rule.view, unframe(decision)[1])
        assert trial.release == {name: written_value(value, shapes[name]) for name, value in view.items()}
    else:
        assert (trial.release, trial.reason) == (None, decision)
