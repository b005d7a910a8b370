"""Whose turn it is to catch up."""

from bus.route.share import AT_ONCE, FEWEST, FEWEST_EXISTING, FIRST, FIRST_BATCH, CatchUp, Pace


class Lanes:
    """Lanes that note when they are woken."""

    def __init__(self) -> None:
        self.share = CatchUp(most=500)
        self.woken: list[int] = []

    def ask(self, lane: int) -> None:
        self.share.ask(lane, lambda: self.woken.append(lane))


def test_few_at_a_time_and_all_in_turn() -> None:
    """No more than a few lanes hold a turn, each is woken when it has one, and nobody is passed over."""
    lanes = Lanes()
    for lane in range(5):
        lanes.ask(lane)
    assert lanes.woken == list(range(AT_ONCE))
    assert [lanes.share.granted(lane) > 0 for lane in range(5)] == [True] * AT_ONCE + [False] * (5 - AT_ONCE)
    for lane in range(10):
        lanes.share.done(lane % 5, records=50, seconds=0.001)
        lanes.ask(lane % 5)
    assert sorted(lanes.woken[:10]) == sorted([*range(5), *range(5)])


def test_a_lane_that_ends_gives_its_turn_back() -> None:
    """A lane that failed or was given up, with a turn or waiting for one, holds nobody up."""
    lanes = Lanes()
    for lane in range(4):
        lanes.ask(lane)
    lanes.share.forget(2)
    lanes.share.forget(0)
    assert lanes.woken == [0, 1, 3]
    assert lanes.share.granted(0) == lanes.share.granted(2) == 0


def test_asking_twice_is_asking_once() -> None:
    """A lane that says again that it lags has one turn, not two."""
    lanes = Lanes()
    for lane in (0, 0, 1, 2, 2):
        lanes.ask(lane)
    assert lanes.woken == [0, 1]
    lanes.share.forget(0)
    lanes.share.forget(1)
    assert lanes.woken == [0, 1, 2]


def test_a_slice_is_as_long_as_its_time() -> None:
    """Records that cost little make a slice of many, dear ones of few, but never of fewer or more than there may be."""
    lanes = Lanes()
    lanes.ask(0)
    assert abs(lanes.share.granted(0) - FIRST) <= 1
    for seconds_each, expected in ((0.00001, 500), (0.0001, 60), (1.0, FEWEST_EXISTING)):
        for _ in range(100):
            lanes.share.done(0, records=10, seconds=10 * seconds_each)
            lanes.ask(0)
        assert abs(lanes.share.granted(0) - expected) <= 1


def test_a_transaction_takes_what_can_be_judged_in_its_time() -> None:
    """As many as allowed while that is cheap, fewer where each costs much; a handful of records changes nothing."""
    pace = Pace(500, 0.05)
    assert pace.limit() == FIRST_BATCH
    for _ in range(100):
        pace.judged(200, 200 * 0.00001)
    assert pace.limit() == 500
    pace.judged(500, 500 * 0.001)
    assert 49 <= pace.limit() <= 51, "dearer is believed at once"
    pace.judged(1, 10.0)
    assert 49 <= pace.limit() <= 51
    pace.judged(50, 50 * 0.0001)
    assert 51 < pace.limit() < 100, "cheaper by and by"
    for _ in range(100):
        pace.judged(50, 50 * 0.00001)
    assert pace.limit() == 500


def test_a_costly_slice_is_believed_by_and_by() -> None:
    """One slice that took twice its time makes the next one little smaller; live changes in such a case far fewer."""
    lanes, pace = Lanes(), Pace(500, 0.006, first=FIRST)
    lanes.ask(0)
    lanes.share.done(0, records=FIRST, seconds=0.012)
    lanes.ask(0)
    assert 40 < lanes.share.granted(0) < FIRST
    pace.judged(FIRST, 0.012)
    assert pace.limit() == FIRST // 2
    pace.judged(FIRST, 10.0)
    assert pace.limit() == FEWEST
