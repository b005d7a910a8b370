"""Orders about dead letters: about one, or about as many as a choice meets. Each lane is given a few at a time."""

import asyncio
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bus import clock
from bus.avro.own import Message
from bus.errors import LetterClosed, OrderPending
from bus.kafka.log import LogWriter
from bus.model.command import LANE_ORDER, CommandKind
from bus.model.record import Outgoing
from bus.watch.letters import Letter, letter_at
from bus.watch.reach import Look
from bus.watch.status import status_of

POLL_SECONDS = 0.1

AT_ONCE = 10
"""Orders under way in a lane at the most: it looks each letter up within its round, and a withdrawal waits so long."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant: those that everything given fits. Times in milliseconds, the later one not included."""

    why: str | None = None
    dataset: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def says_nothing(self) -> bool:
        """Whether it means all there are."""
        return self == Choice()

    def fits(self, letter: Letter) -> bool:
        """Whether a letter is meant."""
        return (
            (self.why is None or self.why in letter.reason)
            and (self.dataset is None or self.dataset == letter.dataset)
            and (self.since_ms is None or self.since_ms <= letter.at_ms)
            and (self.until_ms is None or letter.at_ms < self.until_ms)
        )


class Pile(NamedTuple):
    """Letters that are there for one reason, from one writer and of one dataset."""

    reason: str
    connector: str
    dataset: str
    letters: int
    first_ms: int
    last_ms: int


def piles(letters: Iterable[Letter]) -> list[Pile]:
    """How many letters there are of each kind, the most frequent first."""
    found: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for one in letters:
        found[one.reason, one.connector, one.dataset].append(one.at_ms)
    counted = [Pile(*kind, len(times), min(times), max(times)) for kind, times in found.items()]
    return sorted(counted, key=lambda pile: (-pile.letters, pile))


@dataclass(frozen=True, slots=True)
class Order:
    """What is to become of letters, who says so, and why."""

    kind: CommandKind
    by: str
    reason: str


async def carry_out(look: Look, name: str, order: Order, *, timeout_seconds: float) -> Message:
    """Order what is to become of one letter and wait until its lane has obeyed; returns the completion.

    Raises WrongUse, NotFound, LetterClosed, OrderPending.
    """
    letter, _ = await letter_at(look, name)
    if letter.closed is not None:
        raise LetterClosed(letter=name, outcome=letter.closed["outcome"])
    return (await carry_out_all(look, [letter], order, lambda _: None, timeout_seconds=timeout_seconds))[name]


async def carry_out_all(
    look: Look, letters: Sequence[Letter], order: Order, told: Callable[[int], None], *, timeout_seconds: float
) -> dict[str, Message]:
    """The same of many, in the order given in each lane; the completion of each by its name. `told` hears how many.

    Broken off, a few orders are under way and are obeyed; the rest was never given. Raises OrderPending when no lane
    has obeyed for so long: what was ordered stands and will be obeyed once.
    """
    course = _Course(letters)
    done: dict[str, Message] = {}
    await look.messages.prepare()
    writer = LogWriter(look.access)
    await writer.start()
    try:
        async with status_of(look) as status:
            heard = clock.monotonic()
            while len(done) < len(letters):
                now = course.next()
                await writer.append_all(_record(look, one, command_id, order) for command_id, one in now.items())
                await asyncio.sleep(POLL_SECONDS)
                await status.newest()
                if obeyed := course.ended(status.completions):
                    done |= obeyed
                    told(len(done))
                    heard = clock.monotonic()
                elif clock.monotonic() > heard + timeout_seconds:
                    raise OrderPending(
                        count=len(course.under_way), seconds=timeout_seconds, lanes=course.lanes(), done=len(done)
                    )
    finally:
        await writer.stop()
    return done


class _Course:
    """Which orders are under way, by their ids, and which come next."""

    def __init__(self, letters: Sequence[Letter]) -> None:
        self.under_way: dict[str, Letter] = {}
        self._waiting: dict[int, deque[Letter]] = defaultdict(deque)
        for one in letters:
            self._waiting[one.lane].append(one)

    def next(self) -> dict[str, Letter]:
        """What is to be ordered now."""
        busy = Counter(one.lane for one in self.under_way.values())
        now = {
            str(uuid.uuid4()): of_lane.popleft()
            for lane, of_lane in self._waiting.items()
            for _ in range(min(len(of_lane), AT_ONCE - busy[lane]))
        }
        self.under_way |= now
        return now

    def ended(self, completions: Mapping[str, Message]) -> dict[str, Message]:
        """What has come to its end since: its completions, by the names of the letters."""
        ended = self.under_way.keys() & completions.keys()
        return {self.under_way.pop(command_id).name: completions[command_id] for command_id in ended}

    def lanes(self) -> str:
        """Where orders are under way."""
        return ", ".join(map(str, sorted({one.lane for one in self.under_way.values()})))


def _record(look: Look, letter: Letter, command_id: str, order: Order) -> Outgoing:
    message = {
        "command_id": command_id,
        "kind": order.kind.value,
        "lane": letter.lane,
        "offset": letter.offset,
        "connector": letter.connector,
        "by": order.by,
        "reason": order.reason,
        "at": clock.now_ms(),
    }
    value = look.messages.encode("command", message)
    return Outgoing(look.topics.commands, letter.lane, LANE_ORDER + command_id.encode(), value)
