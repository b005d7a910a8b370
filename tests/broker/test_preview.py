"""The preview of an edited agreement, compared with what its activation then does."""

import asyncio
import json
import os
import select
import signal
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bus import clock
from bus.agreements.document import AgreementDocument, DataRange, FieldRule, revision
from bus.cli import cli
from bus.errors import ReadersCannotFollow
from bus.model.consent import ConsentAction
from bus.route.foresight import Foresight
from bus.wiring import environment, preview_agreement
from tests.broker.conftest import ROOT, SmallBus
from tests.broker.test_life import passed

pytestmark = pytest.mark.broker

TAX, BANK = "person-to-tax", "person-address-to-bank"
PEOPLE = tuple(f"0010900000{number:02}" for number in range(24))


async def foreseen(bus: SmallBus, text: AgreementDocument) -> Foresight:
    found = Foresight(text.id, text.recipient, bus.settings.lanes, by="residence_province", keys={})
    told: list[tuple[int, int]] = []
    tell = lambda *work: told.append(work)  # noqa: E731 - said where it is used
    await preview_agreement(bus.settings, text, bus.agencies.consent_basis, found, tell)
    assert found.complete
    assert told == sorted(told)
    assert {whole for _, whole in told} == {told[-1][0]}
    return found


def told(bus: SmallBus, topic: str) -> list[tuple[int, int, bytes, bool]]:
    """Partition, offset, key of each record in a topic, and whether it is an erasure."""
    return [(one.partition, one.offset, one.key or b"", one.value is None) for one in bus.read(topic)]


async def activated(bus: SmallBus, text: AgreementDocument) -> dict[str, set[bytes]]:
    """What the activation of a text then did, read from the agency's topic: keys released, changed and erased."""
    topic = bus.topics.agency(text.recipient, text.id, text.major)
    agreements = (await bus.registrar.state()).agreements
    known = text.id in agreements and agreements[text.id].topic == topic
    held = bus.held(text.id) if known else {}
    before = set(told(bus, topic)) if known else set()
    bus.documents[text.id] = text
    await bus.activate(text.id)
    await passed(bus)
    await caught_up(bus, text)
    did: dict[str, set[bytes]] = {}
    for record in told(bus, topic):
        if record not in before:
            *_, key, erasure = record
            did.setdefault("erased" if erasure else "changed" if key in held else "released", set()).add(key)
    return did


async def caught_up(bus: SmallBus, text: AgreementDocument) -> None:
    """Wait until each lane has judged every record under a text; on a busy machine that takes several rounds."""

    async def behind() -> bool:
        key = f"cursor/{text.id}".encode()
        found = {one.partition: one.value or b"" for one in bus.read(bus.topics.lane_state) if one.key == key}
        cursors = [await bus.messages.decode(one) for one in found.values()]
        done = [one["done"] for one in cursors if f".{revision(text)}." in one["standing"]]
        return done.count(True) < bus.settings.lanes

    deadline = clock.monotonic() + 90
    while await behind():
        assert clock.monotonic() < deadline, "a lane has not judged every record"


async def crowd(bus: SmallBus) -> None:
    """People of every kind that the filters of these tests tell apart."""
    people = [
        await bus.person(
            one,
            status="DEAD" if number % 5 == 0 else "ALIVE",
            residence_province=None if number % 7 == 0 else f"{number % 3:02}",
            birth_date=number * 1000,
        )
        for number, one in enumerate(PEOPLE)
    ]
    await bus.publish(*people)


async def test_the_preview_is_what_then_happens(small_bus: SmallBus) -> None:
    """A new text, a narrower filter, none, fewer fields, an age: each time exactly the foreseen keys are told."""
    bus = small_bus
    await bus.activate(BANK)
    await bus.route()
    await crowd(bus)
    await passed(bus)
    text = bus.documents[TAX]
    texts = [
        text,
        text.model_copy(update={"filter": 'has(residence_province) && residence_province == "01"'}),
        text.model_copy(update={"filter": None}),
        text.model_copy(update={"fields": text.fields[:2]}),
        text.model_copy(update={"data_range": DataRange(last="P30Y", by="birth_date"), "frequency": "monthly"}),
    ]
    for number, one in enumerate(texts):
        found = await foreseen(bus, one)
        assert found.judged == len(PEOPLE)
        assert found.keys == await activated(bus, one), number
        assert found.released + found.erased + found.changed == sum(map(len, (found.keys or {}).values())) > 0
        again = await foreseen(bus, one)
        assert (again.released, again.erased, again.changed) == (0, 0, 0)


async def test_what_waits_for_its_month_is_foreseen_as_waiting(small_bus: SmallBus) -> None:
    """Under a text that spaces updates, newer versions wait; a preview of another text tells what ends the waiting."""
    bus = small_bus
    text = bus.documents[TAX].model_copy(update={"frequency": "monthly"})
    bus.documents[TAX] = text
    await bus.activate(TAX)
    await bus.route()
    await crowd(bus)
    await passed(bus)
    before = set(told(bus, bus.agency_topic(TAX)))
    held = set(bus.held(TAX))
    await bus.publish(*[await bus.person(one, full_name="Trần Thị Bình", residence_province="01") for one in PEOPLE])
    await passed(bus)
    late = {key for *_, key, _ in set(told(bus, bus.agency_topic(TAX))) - before}
    assert not late & held  # who was not held yet does not wait
    same = await foreseen(bus, text)
    assert (same.released, same.changed, same.erased) == (0, 0, 0)
    assert same.reasons_withheld == {"too-soon": len(held)}
    at_once = text.model_copy(update={"frequency": None})
    found = await foreseen(bus, at_once)
    assert found.changed == len(held) > 0
    assert found.keys == await activated(bus, at_once)


async def test_consents_that_a_wider_text_loses(small_bus: SmallBus) -> None:
    """A longer retention of what rests on consent loses every consent, and erases what was released on them."""
    bus = small_bus
    await bus.activate(BANK)
    await bus.route()
    await crowd(bus)
    for one in PEOPLE[:9]:
        await bus.consent(one, BANK, ConsentAction.GIVE, event_id=f"give-{one}")
    await bus.until(lambda: len(bus.held(BANK)) > 0, "the first who consented")
    await settled(bus, BANK)
    text = bus.documents[BANK]
    wider = text.model_copy(update={"retention": "P2Y"})
    found = await foreseen(bus, wider)
    assert found.consents_lost == 9
    assert found.erased == len(bus.held(BANK)) > 0
    assert found.reasons_erased == {"consent-other-revision": found.erased}
    assert found.keys == await activated(bus, wider)


async def test_a_view_that_readers_cannot_follow(small_bus: SmallBus) -> None:
    """A text whose view would break the recipient's readers is refused before anything is counted."""
    bus = small_bus
    await bus.activate(BANK)
    text = bus.documents[BANK]
    with pytest.raises(ReadersCannotFollow, match="marital_status"):
        await foreseen(bus, text.model_copy(update={"fields": (*text.fields, FieldRule(name="marital_status"))}))


async def test_a_date_is_no_year(small_bus: SmallBus) -> None:
    """A year that becomes a date is an int as before, and refused all the same, at every step, with the field named."""
    bus = small_bus
    await bus.activate(TAX)
    text = bus.documents[TAX]
    assert text.fields[2].name == "birth_date"
    dated = text.model_copy(update={"fields": (*text.fields[:2], FieldRule(name="birth_date"), *text.fields[3:])})
    told = r"birth_date: int would be read as date \(version 1\)\): the flow needs a new major version, `major: 2`"
    with pytest.raises(ReadersCannotFollow, match=told):
        await foreseen(bus, dated)
    with pytest.raises(ReadersCannotFollow, match=told):
        await bus.registrar.require_followed(dated)
    bus.documents[TAX] = dated
    with pytest.raises(ReadersCannotFollow, match=told):
        await bus.activate(TAX)
    before = (await bus.registrar.state()).agreements[TAX]
    assert before.revision == revision(text)


async def test_a_new_major_version(small_bus: SmallBus) -> None:
    """What readers could not follow flows in a topic of its own, and copies in the old one are erased, as foreseen."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.route()
    await crowd(bus)
    await passed(bus)
    text, first = bus.documents[TAX], bus.agency_topic(TAX)
    await caught_up(bus, text)
    held = bus.held(TAX).keys()
    dated = (*text.fields[:2], FieldRule(name="birth_date"), *text.fields[3:])
    moved = text.model_copy(update={"fields": dated, "major": 2})
    found = await foreseen(bus, moved)
    assert found.keys == {"released": set(held), "erased": set(held)}
    assert found.reasons_erased == {"record-moved": len(held)}
    assert await activated(bus, moved) == {"released": set(held)}
    assert bus.agency_topic(TAX) == first.replace(".v1", ".v2")
    kept: dict[bytes, bool] = {key: not erased for _, _, key, erased in told(bus, first)}
    assert kept == dict.fromkeys(held, False)


async def settled(bus: SmallBus, agreement: str) -> None:
    """Wait until each lane has taken every consent."""
    last = {one.partition: one.offset + 1 for one in bus.read(bus.topics.consents)}
    deadline = clock.monotonic() + 60
    while True:
        found = await bus.positions()
        if all(lane in found and found[lane]["consents_offset"] >= end for lane, end in last.items()):
            return
        assert clock.monotonic() < deadline, f"consents to {agreement} are not taken"


async def test_the_command(small_bus: SmallBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command tells the difference first, writes JSON and a page in either language, and no personal value."""
    bus = small_bus
    for name, value in environment(bus.settings).items():
        monkeypatch.setenv(name, value)
    await bus.activate(TAX)
    await bus.route()
    await crowd(bus)
    await passed(bus)
    text = (ROOT / f"seeds/agreements/{TAX}.yaml").read_text(encoding="utf-8")
    for taken_away in ("  - {name: birth_date, as: year}\n", "        birth_date: 1990\n"):
        assert taken_away in text
        text = text.replace(taken_away, "")
    file, page = tmp_path / f"{TAX}.yaml", tmp_path / "preview.html"
    file.write_text(text, "utf-8")

    async def run(*words: str) -> str:
        asked = ["agreement", "preview", str(file), *words]
        answer = await asyncio.to_thread(CliRunner().invoke, cli, asked)
        assert answer.exit_code == 0, (answer.output, answer.exception)
        return answer.stdout

    whole = json.loads(await run("--json", "--html", str(page), "--lang", "vi"))
    assert whole["changed"] == len(bus.held(TAX)) > 0
    assert whole["fields_changed"] == {"birth_date": whole["changed"]}
    assert sum(sum(one.values()) for one in whole["places"].values()) == whole["changed"]
    assert (await run("--lang", "en")).startswith("• removes: birth_date\n")
    written = page.read_text(encoding="utf-8")
    assert "bớt: birth_date" in written
    assert "://" not in written
    assert (whole["revision"] in written, whole["asked_at"] in written, whole["compared"]) == (True, True, True)
    for personal in (*PEOPLE, "Nguyễn"):
        assert personal not in written + json.dumps(whole, ensure_ascii=False)


async def test_ctrl_c(small_bus: SmallBus, tmp_path: Path) -> None:
    """A SIGINT ends the command itself at once: it tells what it has, says that it is a part, and exits with 1."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.route()
    many = 20_000
    for start in range(0, many, 5_000):
        await bus.publish(*[await bus.person(f"{number:012}") for number in range(start, start + 5_000)])
    await passed(bus)
    terminal, theirs = os.openpty()
    words = (sys.executable, "-m", "bus", "agreement", "preview", TAX, "--json", "--lang", "en")
    with (tmp_path / "answer.json").open("w+b") as answer:
        running = await asyncio.create_subprocess_exec(
            *words, env=os.environ | environment(bus.settings), stdout=answer, stderr=theirs
        )
        os.close(theirs)
        await asyncio.to_thread(shown, terminal, b"records judged")
        running.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(running.wait(), 20) == 1
        answer.seek(0)
        whole = json.loads(answer.read())
    os.close(terminal)
    assert whole["complete"] is False
    assert whole["judged"] < many
    assert whole["unchanged"] == whole["judged"]


def shown(terminal: int, words: bytes) -> None:
    """Wait until a terminal shows some words."""
    seen, deadline = b"", clock.monotonic() + 60
    while words not in seen:
        assert clock.monotonic() < deadline, seen
        if select.select([terminal], [], [], 1.0)[0]:
            seen += os.read(terminal, 4096)


async def test_broken_off(small_bus: SmallBus) -> None:
    """A preview that is cancelled ends with what it has, and says that it is a part."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.route()
    await crowd(bus)
    await passed(bus)
    text = bus.documents[TAX]
    found = Foresight(text.id, text.recipient, bus.settings.lanes)
    working: list[asyncio.Task[object]] = []

    def tell(_step: int, _judged: int) -> None:
        working[0].cancel()

    working.append(asyncio.create_task(preview_agreement(bus.settings, text, bus.agencies.consent_basis, found, tell)))
    await working[0]
    assert not found.complete
    assert found.lanes_done < bus.settings.lanes
