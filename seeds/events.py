"""What happens to people: each function makes one thing happen in every registry that it concerns.

Each answers how many records of which dataset changed, or None when nobody is left to whom it could happen. Dates are
those of the scripted day; the registries stamp their records with their own clocks.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import LiteralString

from seeds.dice import Dice
from seeds.dues import employer
from seeds.names import BANKS, full_name
from seeds.numbers import RANKS, health_card_number, personal_number, social_insurance_number
from seeds.offices import Offices, Row
from seeds.people import TODAY, address, phone_number
from seeds.systems.codes import Record, written
from seeds.units import UNITS

Counts = Counter[str]
Happening = Callable[[Offices, Dice], Awaitable[Counts | None]]

DAY = TODAY + timedelta(days=1)
"""The scripted day."""

PERSON, RIGHT = "population.person", "land.right"
TAXPAYER, OBLIGATION, COVERAGE = "tax.taxpayer", "tax.obligation", "insurance.coverage"

NOWHERE: Row = {"thuong_tru_tinh": None, "thuong_tru_xa": None, "thuong_tru_dia_chi": None, "thuong_tru_tu": None}
NOT_AWAY: Row = {"tam_tru_tinh": None, "tam_tru_xa": None, "tam_tru_dia_chi": None, "tam_tru_tu": None}


async def birth(offices: Offices, dice: Dice) -> Counts | None:
    """A married couple has a child, who gets a personal number, a home and a health card."""
    mother = await _someone(
        offices, dice, _born("gioi_tinh = 2 and hon_nhan = 1 and thuong_tru_xa is not null", 22, 40)
    )
    father = await offices.citizens.get(mother["so_dinh_danh_vc"]) if mother else None
    if mother is None or father is None:
        return None
    female = dice.chance(0.475)
    origin = UNITS.communes[mother["thuong_tru_xa"]].former_province
    number = personal_number(origin, DAY, female=female, rank=dice.between(0, RANKS - 1))
    if await offices.citizens.get(number) is not None:
        return await birth(offices, dice)
    home = {name: mother[name] for name in NOWHERE} | {"thuong_tru_tu": DAY}
    child = home | {
        "so_dinh_danh": number,
        "ho_ten": full_name(dice, father["ho_ten"].split()[0], female=female),
        "ngay_sinh": DAY,
        "gioi_tinh": 2 if female else 1,
        "quoc_tich": "VN",
        "dan_toc": father["dan_toc"],
        "noi_dang_ky_ks": origin,
        "hon_nhan": 0,
        "so_dinh_danh_cha": father["so_dinh_danh"],
        "so_dinh_danh_me": mother["so_dinh_danh"],
        "tinh_trang": 1,
        "muc_dinh_danh": 0,
    }
    await offices.citizens.record(child)
    await offices.insurance.record("coverage", _child_cover(dice, number, origin, mother["thuong_tru_xa"]))
    return Counter({PERSON: 1, COVERAGE: 1})


async def marriage(offices: Offices, dice: Dice) -> Counts | None:
    """Two single people of different families marry, and she moves in with him."""
    single = "hon_nhan = 0 and thuong_tru_xa is not null"
    groom = await _someone(offices, dice, _born("gioi_tinh = 1 and " + single, 23, 40))
    bride = await _someone(offices, dice, _born("gioi_tinh = 2 and " + single, 21, 38))
    if groom is None or bride is None:
        return None
    if groom["so_dinh_danh_cha"] and groom["so_dinh_danh_cha"] == bride["so_dinh_danh_cha"]:
        return None
    home = {name: groom[name] for name in NOWHERE} | {"thuong_tru_tu": DAY}
    async with offices.citizens.connection.transaction():
        await offices.citizens.change(groom["so_dinh_danh"], {"hon_nhan": 1, "so_dinh_danh_vc": bride["so_dinh_danh"]})
        married: Row = {"hon_nhan": 1, "so_dinh_danh_vc": groom["so_dinh_danh"]}
        await offices.citizens.change(bride["so_dinh_danh"], married | home | NOT_AWAY)
    return Counter({PERSON: 2})


async def move(offices: Offices, dice: Dice) -> Counts | None:
    """A whole household moves to another province."""
    head = await _someone(offices, dice, _born("hon_nhan = 1 and thuong_tru_xa is not null", 25, 60))
    if head is None:
        return None
    provinces = [code for code in UNITS.provinces if code != head["thuong_tru_tinh"]]
    commune = dice.pick(UNITS.communes_of[dice.pick(provinces)])
    home: Row = {
        "thuong_tru_tinh": commune.province,
        "thuong_tru_xa": commune.code,
        "thuong_tru_dia_chi": address(dice, commune),
        "thuong_tru_tu": DAY,
    }
    here = head["thuong_tru_xa"], head["thuong_tru_dia_chi"]
    same_home: LiteralString = "thuong_tru_xa = %s and thuong_tru_dia_chi = %s"
    household = await offices.citizens.find(same_home, 50, "", *here)
    async with offices.citizens.connection.transaction():
        for person in household:
            await offices.citizens.change(person["so_dinh_danh"], home)
    return Counter({PERSON: len(household)})


async def death(offices: Offices, dice: Dice) -> Counts | None:
    """Someone dies: the spouse is widowed, cover and pension end, the tax code is closed."""
    person = await _someone(offices, dice, _born("thuong_tru_xa is not null", 58, 110))
    if person is None:
        return None
    number = person["so_dinh_danh"]
    counts: Counts = Counter({PERSON: 1})
    gone: Row = {"tinh_trang": 2, "ngay_chet": DAY, "so_dinh_danh_vc": None, "so_dien_thoai": None, "muc_dinh_danh": 0}
    async with offices.citizens.connection.transaction():
        await offices.citizens.change(number, gone | NOWHERE | NOT_AWAY)
        if person["so_dinh_danh_vc"]:
            await offices.citizens.change(person["so_dinh_danh_vc"], {"hon_nhan": 2, "so_dinh_danh_vc": None})
            counts[PERSON] += 1
    for cover in await offices.insurance.of_person("coverage", number):
        if not cover["den_ngay"] or cover["luong_huu"] != "0":
            ended = cover["den_ngay"] or written(DAY)
            await offices.insurance.change("coverage", _cover_key(cover), {"den_ngay": ended, "luong_huu": "0"})
            counts[COVERAGE] += 1
    for taxpayer in await offices.tax.of_person("taxpayers", number):
        if taxpayer["status"] != "03":
            await _close(offices, taxpayer)
            counts[TAXPAYER] += 1
    return counts


async def sale(offices: Offices, dice: Dice) -> Counts | None:
    """A couple sells a parcel to another couple: each right passes to one of the buyers, under a new certificate."""
    rights = await _free_parcel_of_a_couple(offices, dice)
    sellers = sorted({right["so_dinh_danh"] for right in rights})
    buyer = await _someone(offices, dice, _born("hon_nhan = 1 and thuong_tru_xa is not null", 25, 70))
    if len(sellers) != 2 or buyer is None or buyer["so_dinh_danh"] in sellers:
        return None
    buyers = dict(zip(sellers, (buyer["so_dinh_danh"], buyer["so_dinh_danh_vc"]), strict=True))
    certificate = f"SB{dice.digits(8)}"
    async with offices.rights.connection.transaction():
        for right in rights:
            held: Row = {
                "so_dinh_danh": buyers[right["so_dinh_danh"]],
                "so_gcn": certificate,
                "ngay_dang_ky": DAY,
            }
            await offices.rights.change(right["ma_quyen"], held)
    return Counter({RIGHT: len(rights)})


async def mortgage(offices: Offices, dice: Dice) -> Counts | None:
    """A couple mortgages a parcel: its rights are marked, and each of the two gives a mortgage."""
    rights = [right for right in await _free_parcel_of_a_couple(offices, dice) if right["loai_quyen"] == "SDD"]
    if not rights:
        return None
    lender = dice.pick(BANKS)
    async with offices.rights.connection.transaction():
        for right in rights:
            await offices.rights.change(right["ma_quyen"], {"han_che": ["TC"]})
            given: Row = {"ma_quyen": f"{right['ma_quyen'][:2]}9{dice.digits(9)}", "loai_quyen": "TC"}
            given |= {"ngay_dang_ky": DAY, "ben_nhan_tc": lender}
            kept = {name: right[name] for name in ("ma_thua", "so_dinh_danh", "tu_so", "mau_so", "so_gcn")}
            await offices.rights.record(kept | given)
    return Counter({RIGHT: 2 * len(rights)})


async def payment(offices: Offices, dice: Dice) -> Counts | None:
    """A taxpayer declares what is owed and pays it."""
    owed = await _obligation(offices, dice, lambda record: bool(record["paid"] < record["assessed"]))
    if owed is None:
        return None
    amount = owed["assessed"]
    await offices.tax.change("obligations", owed["id"], {"declared": amount, "paid": amount, "overdue": 0})
    return Counter({OBLIGATION: 1})


async def deregistration(offices: Offices, dice: Dice) -> Counts | None:
    """A household business closes and gives its tax code back."""
    for start in (_some_number(dice), ""):
        for taxpayer in await offices.tax.after("taxpayers", start):
            if taxpayer["kind"] == "HKD" and taxpayer["status"] == "00":
                await _close(offices, taxpayer)
                return Counter({TAXPAYER: 1})
    return None


async def employment(offices: Offices, dice: Dice) -> Counts | None:
    """Someone without an employer finds one: compulsory and unemployment insurance begin."""
    person = await _someone(offices, dice, _born("thuong_tru_xa is not null", 19, 55))
    covers = await offices.insurance.of_person("coverage", person["so_dinh_danh"]) if person else []
    if person is None or any(cover["loai"] in {"BB", "TH"} for cover in covers):
        return None
    number = covers[0]["ma_so_bhxh"] if covers else _insurance_number(dice, person["noi_dang_ky_ks"])
    firm = employer(dice.between(0, 399))
    for scheme in ("BB", "TH"):
        cover = _cover(number, scheme, person["so_dinh_danh"], muc_dong=str(dice.between(60, 250) * 100_000))
        await offices.insurance.record("coverage", cover | {"don_vi": firm.name, "mst_don_vi": firm.tax_code})
    return Counter({COVERAGE: 2})


async def end_of_employment(offices: Offices, dice: Dice) -> Counts | None:
    """Someone leaves an employer: the cover that came with the work ends."""
    person = await _someone(offices, dice, _born("thuong_tru_xa is not null", 20, 60))
    covers = await offices.insurance.of_person("coverage", person["so_dinh_danh"]) if person else []
    running = [cover for cover in covers if cover["loai"] in {"BB", "TH"} and not cover["den_ngay"]]
    for cover in running:
        await offices.insurance.change("coverage", _cover_key(cover), {"den_ngay": written(DAY)})
    return Counter({COVERAGE: len(running)}) if running else None


async def new_phone(offices: Offices, dice: Dice) -> Counts | None:
    """Someone corrects the phone number."""
    person = await _someone(offices, dice, _born("so_dien_thoai is not null", 16, 80))
    if person is None:
        return None
    await offices.citizens.change(person["so_dinh_danh"], {"so_dien_thoai": phone_number(dice)})
    return Counter({PERSON: 1})


async def struck_out(offices: Offices, dice: Dice) -> Counts | None:
    """A child who was registered twice is struck out of the population registry and out of the insurance."""
    person = await _someone(offices, dice, _born("hon_nhan = 0", 1, 13))
    if person is None:
        return None
    covers = await offices.insurance.of_person("coverage", person["so_dinh_danh"])
    for cover in covers:
        await offices.insurance.strike("coverage", _cover_key(cover))
    await offices.citizens.strike(person["so_dinh_danh"])
    return Counter({PERSON: 1, COVERAGE: len(covers)})


async def assessed_in_error(offices: Offices, dice: Dice) -> Counts | None:
    """An obligation that nobody owed is struck out."""
    owed = await _obligation(offices, dice, lambda record: bool(record["paid"] == 0))
    if owed is None:
        return None
    await offices.tax.strike("obligations", owed["id"])
    return Counter({OBLIGATION: 1})


# --- finding ----------------------------------------------------------------------------------------------------------


def _born(condition: LiteralString, youngest: int, oldest: int) -> tuple[LiteralString, date, date]:
    """The living who meet a condition and are of an age."""
    return condition, date(DAY.year - oldest, 1, 1), date(DAY.year - youngest, 1, 1)


async def _someone(offices: Offices, dice: Dice, wanted: tuple[LiteralString, date, date]) -> Row | None:
    """The next such person after a random personal number; from the first one on when there is none."""
    condition, first, last = wanted
    alive = "tinh_trang = 1 and ngay_sinh between %s and %s and " + condition
    for start in (_some_number(dice), ""):
        row = await offices.citizens.near(alive, start, first, last)
        if row is not None:
            return row
    return None


async def _free_parcel_of_a_couple(offices: Offices, dice: Dice) -> list[Row]:
    """The standing rights to a parcel that two people hold in halves, unrestricted and not mortgaged."""
    half: LiteralString = "mau_so = 2 and loai_quyen = 'SDD' and ngay_cham_dut is null and han_che = '{}'"
    for start in (f"{dice.between(1, 96):02}", ""):
        right = await offices.rights.near(half, start)
        if right is not None:
            standing: LiteralString = "ma_thua = %s and ngay_cham_dut is null and loai_quyen <> 'TC'"
            return await offices.rights.find(standing, 10, "", right["ma_thua"])
    return []


async def _obligation(offices: Offices, dice: Dice, wanted: Callable[[Record], bool]) -> Record | None:
    for start in (f"TB{dice.digits(2)}", f"TB0000{dice.digits(4)}", ""):
        found = next((record for record in await offices.tax.after("obligations", start) if wanted(record)), None)
        if found is not None:
            return found
    return None


def _some_number(dice: Dice) -> str:
    return f"{dice.between(1, 96):03}{dice.digits(9)}"


# --- recording --------------------------------------------------------------------------------------------------------


async def _close(offices: Offices, taxpayer: Record) -> None:
    await offices.tax.change("taxpayers", taxpayer["taxCode"], {"status": "03", "closedOn": DAY.isoformat()})


def _cover_key(cover: Record) -> str:
    return f"{cover['ma_so_bhxh']}/{cover['loai']}"


def _insurance_number(dice: Dice, birth_province: str) -> str:
    """A number beyond those that the generated country uses."""
    return social_insurance_number(birth_province, dice.between(RANKS, 99_999_999))


def _cover(number: str, scheme: str, personal_id: str, *, muc_dong: str) -> Record:
    return {
        "ma_so_bhxh": number,
        "loai": scheme,
        "so_dinh_danh": personal_id,
        "don_vi": "",
        "mst_don_vi": "",
        "muc_dong": muc_dong,
        "tu_ngay": written(DAY),
        "den_ngay": "",
        "so_thang": "0",
        "so_the_bhyt": "",
        "noi_kcb": "",
        "luong_huu": "0",
    }


def _child_cover(dice: Dice, personal_id: str, birth_province: str, commune: str) -> Record:
    number = _insurance_number(dice, birth_province)
    unit = UNITS.communes[commune]
    return _cover(number, "YT", personal_id, muc_dong="2340000") | {
        "so_the_bhyt": health_card_number("TE", 1, unit.province, number),
        "noi_kcb": f"Trạm Y tế {unit.name}",
    }
