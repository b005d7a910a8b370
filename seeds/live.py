"""A country that keeps going: endless small changes, for operators to watch."""

import asyncio
from collections.abc import AsyncGenerator

from bus.model.country import Step
from seeds import events
from seeds.dice import Dice, Weighted
from seeds.events import Happening
from seeds.offices import open_offices
from seeds.site import Site

_NAMES: dict[str, tuple[str, str, Happening]] = {
    "phone": ("A phone number is corrected", "Sửa số điện thoại", events.new_phone),
    "payment": ("A tax is paid", "Nộp thuế", events.payment),
    "work-begins": ("Someone finds work", "Có việc làm", events.employment),
    "work-ends": ("Someone leaves work", "Nghỉ việc", events.end_of_employment),
    "move": ("A household moves", "Một hộ chuyển nơi ở", events.move),
    "birth": ("A child is born", "Một trẻ chào đời", events.birth),
    "marriage": ("Two people marry", "Hai người kết hôn", events.marriage),
    "sale": ("Land is sold", "Bán đất", events.sale),
    "death": ("Someone dies", "Một người qua đời", events.death),
}
_OFTEN = Weighted(
    [
        *(("phone", 30), ("payment", 25), ("work-begins", 12), ("work-ends", 8), ("move", 8)),
        *(("birth", 8), ("marriage", 3), ("sale", 3), ("death", 3)),
    ]
)


async def live(site: Site, rate: float, seed: int) -> AsyncGenerator[Step, None]:
    """About `rate` changed records a second, more than 0, until the caller stops asking.

    A change that finds nobody is skipped. Work that took longer than its share of time is not made up for.
    """
    if rate <= 0:
        raise ValueError("a rate is more than 0 changes a second")
    loop = asyncio.get_running_loop()
    dice = Dice("live", seed)
    async with open_offices(site) as offices:
        due = loop.time()
        while True:
            name = dice.draw(_OFTEN)
            title_en, title_vi, happening = _NAMES[name]
            counts = await happening(offices, dice)
            due = max(due, loop.time() - 1) + (counts.total() if counts else 1) / rate
            if counts:
                yield Step(name, title_en, title_vi, dict(counts))
            await asyncio.sleep(max(0.0, due - loop.time()))
