"""What two recipients of one change can find in common beside its fields: nothing."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bus.model.keyring import KeyRing, RootKey
from bus.model.reasons import Reason
from bus.route.label import Label, Moment, told_ms
from bus.route.outputs import BLOCK_BYTES, BLOCK_ENTRIES, parts_of
from tests.unit.route.lanes import KEYRING, rule

SECOND, DAY = 1000, 86_400_000
MOMENTS = st.integers(0, 4_102_444_800_000)
GRAINS = st.sampled_from([SECOND, DAY])
NUMBERS = st.integers(1, 1000)


def label(number: int, moment: Moment, grain_ms: int = SECOND, reason: Reason | None = None) -> Label:
    one = rule(f"agreement-{number}", number=number, time_grain_ms=grain_ms)
    return Label.of(one, "r1", reason, moment, KEYRING)


def words(of: Label) -> dict[str, bytes]:
    return dict(of.headers)


@given(NUMBERS, GRAINS, MOMENTS, MOMENTS)
def test_a_clock_of_an_agreement(number: int, grain_ms: int, one: int, other: int) -> None:
    """What an agreement's clock tells is never in the future, less than a grain late, and in the order of events."""
    phase = KEYRING.phase_ms(number, grain_ms)
    assert 0 <= phase < grain_ms
    first, second = (told_ms(at, grain_ms, phase) for at in sorted((one, other)))
    assert first <= min(one, other) < first + grain_ms
    assert first <= second


@given(st.lists(NUMBERS, min_size=2, max_size=2, unique=True), GRAINS, GRAINS, MOMENTS, MOMENTS)
def test_no_two_clocks_tell_the_same(numbers: list[int], one: int, other: int, at: int, later: int) -> None:
    """Two agreements never tell the same time, whenever that is and however coarse they are."""
    first, second = numbers
    told = told_ms(at, one, KEYRING.phase_ms(first, one))
    assert told != told_ms(later, other, KEYRING.phase_ms(second, other))


def test_a_clock_needs_the_key() -> None:
    """Without the root key nobody can tell by how much the clock of an agreement is ahead."""
    other = KeyRing(RootKey(bytes(32)))
    assert [KEYRING.phase_ms(one, DAY) for one in range(1, 9)] != [other.phase_ms(one, DAY) for one in range(1, 9)]


@pytest.mark.parametrize("grain_ms", [SECOND, DAY])
def test_kafka_tells_what_the_header_tells(grain_ms: int) -> None:
    """A recipient must not learn from Kafka's own time of a record what its header hides."""
    made = label(3, Moment(0, 7, 1_760_000_123_456), grain_ms)
    assert words(made)["ce_time"].decode().startswith("2025-10-0")
    assert made.time_ms <= 1_760_000_123_456 < made.time_ms + grain_ms


def test_labels_of_two_agreements() -> None:
    """Labels of one transaction for two agreements share only what says nothing of the change."""
    moment = Moment(3, 99, 1_760_000_123_456)
    for reason in (None, Reason.DELETED):
        one, other = label(1, moment, reason=reason), label(2, moment, DAY, reason)
        same = {name for name, text in words(one).items() if words(other)[name] == text}
        told = {"ce_specversion", "ce_type", "ce_agreementrevision", "ce_purpose", "ce_legalbasis"}
        assert same == told | ({"content-type"} if reason is None else {"ce_erasurereason"})
        assert one.event_id != other.event_id
        assert one.consent_ref(b"event-1") != other.consent_ref(b"event-1")
        assert one.time_ms != other.time_ms


def test_a_trace_of_a_recipient() -> None:
    """A recipient's trace is of the form that W3C Trace Context gives it, and differs by agreement and transaction."""
    moments = [Moment(0, 7, 5000), Moment(0, 8, 5000), Moment(1, 7, 5000)]
    made = [label(number, moment) for number, moment in itertools.product((1, 2), moments)]
    assert len({one.trace for one in made}) == len(made)
    for one in made:
        version, trace, span, flags = words(one)["traceparent"].decode().split("-")
        assert (version, trace, flags) == ("00", one.trace, "01")
        assert (len(trace), len(span)) == (32, 16)
        assert int(trace, 16) > 0 < int(span, 16)


def test_a_label_is_the_same_again() -> None:
    """A transaction that is drafted again says the same: nothing in a label is drawn by chance."""
    moment = Moment(0, 7, 5000)
    one, other = label(1, moment), label(1, moment)
    assert (one.headers, one.time_ms, one.trace, one.event_id) == (
        other.headers,
        other.time_ms,
        other.trace,
        other.event_id,
    )
    asked = (None, b"event-5", None)
    assert [one.mark(consent) for consent in asked] == [other.mark(consent) for consent in asked]


@example([30_000] * 20, 100_000)
@given(st.lists(st.integers(1, 30_000), max_size=60), st.integers(0, BLOCK_BYTES))
def test_parts_of_a_block(sizes: list[int], beside: int) -> None:
    """Entries are split by bytes, in order, none lost; what stands beside those of the first part counts."""
    entries = [bytes(size) for size in sizes]
    parts = list(parts_of(entries, beside))
    assert [entry for part in parts for entry in part] == entries
    for number, part in enumerate(parts):
        assert len(part) == 1 or sum(map(len, part)) + (0 if number else beside) <= BLOCK_BYTES
        assert part or len(parts) == 1


def test_parts_by_number() -> None:
    """However small the entries, a part holds a bounded number."""
    assert [len(part) for part in parts_of([b"x"] * (2 * BLOCK_ENTRIES + 1))] == [BLOCK_ENTRIES, BLOCK_ENTRIES, 1]
    assert [len(part) for part in parts_of([])] == [0]
