"""What a lane writes for a transaction."""

from bus.route.held import Where
from bus.route.outlet import Delivery
from bus.route.outputs import Writer
from bus.route.rules import Rule
from bus.route.state import Draft, Position
from bus.route.store.memory import MemoryState
from bus.topics import Topics
from tests.unit.route.lanes import KEYRING, Nutshell, rule, rules, value
from tests.unit.route.model.running import messages

HIDING, NAMING = rule("hiding", pseudonymous=True), rule("naming")
PEOPLE = [f"00119000{number:04}" for number in range(50)]


def delivery(of: Rule, key: str) -> Delivery:
    where = Where(of.route.agreement, "r1", of.route.topic, 0)
    return Delivery(of, where, key.encode(), None, b"view", None, None)


def test_recipients_are_told_the_time_of_the_clock() -> None:
    """A clock that ran a day ahead and was set right leaves a lane's own time in the future: no broker takes that."""
    now_ms = 1_760_000_000_000
    lane = Nutshell(now=now_ms + 26 * 3_600_000)
    lane.step(rules(rule()))
    lane.now = now_ms
    made = lane.step(rules(rule()), lane.change("p1", value("An")))
    assert made.draft.position.lane_time_ms == now_ms + 26 * 3_600_000
    written = Writer(0, Topics("", 8), KEYRING, messages()).records(made.draft, made.deliveries, [], [])
    (released,) = [one for one in written if one.topic == rule().route.topic]
    assert released.timestamp_ms == now_ms


def test_a_block_of_many_agreements_stays_small() -> None:
    """Beside its entries a block names the trace of every agreement in it, and stays below 500 kB all the same."""
    mixed = [delivery(rule(f"{number:060}"), "p1/1") for number in range(2000) for _ in range(2)]
    draft = Draft(MemoryState(), Position(lane_time_ms=1_000, block=3))
    written = Writer(0, Topics("", 8), KEYRING, messages()).records(draft, mixed, [], [])
    sizes = [len(one.value or b"") for one in written if one.topic == "disclosures"]
    assert sum(sizes) > 500_000 > max(sizes)


def test_the_order_of_pseudonyms_is_not_that_of_ids() -> None:
    """What one transaction releases lies in the order of the pseudonyms, whatever that of the people was.

    A registry that is read for the first time comes in the order of its ids, and who is where among all is a hint at
    the id. Of one key the first stays the first; a flow that shows ids keeps the order of the changes.
    """
    hidden = [delivery(HIDING, KEYRING.pseudonym("hiding", 1, one)) for one in PEOPLE]
    again = [one._replace(value=value) for one in hidden[:10] for value in (b"other", None)]
    named = [delivery(NAMING, one) for one in reversed(PEOPLE)]
    mixed = [one for pair in zip(hidden, named, strict=True) for one in pair] + again
    draft = Draft(MemoryState(), Position(lane_time_ms=1_000, block=3))
    written = Writer(0, Topics("", 8), KEYRING, messages()).records(draft, mixed, [], [])
    told = [(one.key, one.value) for one in written if one.topic == HIDING.route.topic]
    assert [key for key, _ in told] == sorted(one.key for one in (*hidden, *again))
    versions: dict[bytes | None, list[bytes | None]] = {}
    for key, view in told:
        versions.setdefault(key, []).append(view)
    assert sorted(versions[one.key] == [b"view", b"other", None] for one in hidden) == [False] * 40 + [True] * 10
    assert [one.key for one in written if one.topic == NAMING.route.topic] == [one.key for one in named]
