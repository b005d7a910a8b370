"""A scripted day: what a country does between morning and evening, told in steps."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass

from bus.model.country import Step
from seeds import events
from seeds.consents import Act, Minds, adults, for_a_time, minds, second_thoughts, send, withdrawals
from seeds.dice import Dice
from seeds.events import Counts, Happening
from seeds.offices import Offices, open_offices
from seeds.site import Site

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Scene:
    """Something that happens to several people: how often at least, and how often among 1,000 people."""

    name: str
    title_en: str
    title_vi: str
    happening: Happening
    at_least: int
    per_thousand: float

    def times(self, people: int) -> int:
        """How often it happens."""
        return max(self.at_least, round(people * self.per_thousand / 1000))


@dataclass(frozen=True, slots=True)
class Turn:
    """Citizens change their minds in the app."""

    name: str
    title_en: str
    title_vi: str
    acts: Callable[[int, str, Minds], list[Act]]


SCRIPT: tuple[Scene | Turn, ...] = (
    Scene("births", "Children are born and insured", "Trẻ em chào đời và được cấp thẻ bảo hiểm", events.birth, 3, 1.5),
    Scene("marriage", "Two people marry", "Hai người kết hôn", events.marriage, 1, 0.5),
    Scene("moves", "Households move to other provinces", "Các hộ chuyển sang tỉnh khác", events.move, 3, 2),
    Turn(
        "withdrawals",
        "Citizens withdraw consents",
        "Người dân rút lại sự đồng ý",
        lambda seed, agreement, who: withdrawals(seed, agreement, who.withdraw),
    ),
    Scene("deaths", "People die", "Có người qua đời", events.death, 2, 1),
    Scene("sale", "A couple sells its land to a couple", "Vợ chồng bán đất cho vợ chồng khác", events.sale, 1, 0.5),
    Scene("mortgage", "A couple mortgages its land", "Vợ chồng thế chấp đất", events.mortgage, 1, 0.3),
    Scene("payments", "Taxes are declared and paid", "Khai và nộp thuế", events.payment, 5, 5),
    Turn(
        "second-thoughts",
        "Some consent again",
        "Một số người đồng ý trở lại",
        lambda seed, agreement, who: second_thoughts(seed, agreement, who.give_again),
    ),
    Scene("deregistration", "A business closes", "Một hộ kinh doanh đóng mã số thuế", events.deregistration, 1, 0.3),
    Scene("work-begins", "People find work", "Người lao động có việc làm", events.employment, 3, 2),
    Scene("work-ends", "People leave work", "Người lao động nghỉ việc", events.end_of_employment, 2, 1.5),
    Turn(
        "for-a-time",
        "Others consent until a day",
        "Người khác đồng ý có thời hạn",
        lambda seed, agreement, who: for_a_time(seed, agreement, who.give_for_a_time),
    ),
    Scene("phones", "Phone numbers are corrected", "Sửa số điện thoại", events.new_phone, 3, 2),
    Scene("struck-out", "A double entry is struck out", "Xóa một bản ghi trùng", events.struck_out, 1, 0.3),
    Scene("error", "A wrong tax claim is struck out", "Hủy một khoản thuế sai", events.assessed_in_error, 1, 0.3),
)


async def day(site: Site, agreements: tuple[str, ...], seed: int) -> AsyncGenerator[Step, None]:
    """The script, scene by scene. Without a citizen API the citizens' turns are left out."""
    citizens = await adults(site)
    async with open_offices(site) as offices:
        for scene in SCRIPT:
            if isinstance(scene, Scene):
                counts = await play(offices, scene, scene.times(len(citizens)), Dice("day", seed, scene.name))
            elif site.place.citizen_api is None:
                continue
            else:
                counts = await _take(site, scene, agreements, citizens, seed)
            yield Step(scene.name, scene.title_en, scene.title_vi, dict(counts))


async def play(offices: Offices, scene: Scene, times: int, dice: Dice) -> Counts:
    """Let it happen; one that finds nobody is tried again with other people, and at last left out."""
    total: Counts = Counter()
    for _ in range(times):
        for _ in range(_TRIES):
            counts = await scene.happening(offices, dice)
            if counts is not None:
                total += counts
                break
    return total


async def _take(site: Site, turn: Turn, agreements: tuple[str, ...], citizens: list[str], seed: int) -> Counts:
    acts = list(_acts(turn, agreements, citizens, seed))
    await send(site, acts)
    return Counter({"consents": len(acts)})


def _acts(turn: Turn, agreements: tuple[str, ...], citizens: list[str], seed: int) -> Iterator[Act]:
    for agreement in agreements:
        yield from turn.acts(seed, agreement, minds(seed, agreement, citizens))
