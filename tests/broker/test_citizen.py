"""The consent API over HTTP, in this process, on a real broker; and once as the process that `bus up` starts."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from bus import clock
from bus.avro.own import OwnMessages
from bus.citizen.app import application
from bus.citizen.desk import ConsentDesk
from bus.citizen.follow import TAIL, Effects, Follower
from bus.cli.consent import consent
from bus.consent.messages import consent_event
from bus.errors import BusMismatch, ConsentApiUnreachable, ConsentRefused, SchemaRegistryUnreachable
from bus.kafka.admin import Admin
from bus.kafka.log import Place
from bus.kafka.rights import CITIZEN as CITIZEN_USER
from bus.kafka.transactions import TransactionalWriter
from bus.model.consent import ConsentAction, GivenBy
from bus.model.key import lane_of
from bus.model.reasons import Reason
from bus.model.record import Incoming, Outgoing
from bus.platform.home import Home
from bus.platform.reach import kafka_access
from bus.settings import KafkaSettings
from bus.wiring import CITIZEN, stage_process
from tests.broker.conftest import SmallBus

pytestmark = pytest.mark.broker

BANK, TAX = "person-address-to-bank", "person-to-tax"
TOKEN = "a-token-of-callers"
SUBJECT = "001190000029"


def act(action: str = "GIVE", agreement: str = BANK, subject: str = SUBJECT, **more: Any) -> dict[str, Any]:
    given = {"event_id": secrets.token_hex(8), "given_by": "SELF", "proof": "app:1"}
    return given | {"subject": subject, "agreement": agreement, "action": action} | more


@asynccontextmanager
async def api(bus: SmallBus) -> AsyncIterator[httpx.AsyncClient]:
    """The API under the Kafka user that it has in a real bus."""
    access = kafka_access(bus.settings, KafkaSettings(), Home.from_settings(bus.settings), CITIZEN_USER)
    messages = OwnMessages(bus.client)
    await messages.prepare()
    desk = ConsentDesk(access, bus.topics, messages)
    transport = httpx.ASGITransport(application(desk, token=TOKEN))
    headers = {"authorization": f"Bearer {TOKEN}"}
    try:
        await desk.start()
        async with httpx.AsyncClient(transport=transport, base_url="http://citizen", headers=headers) as client:
            yield client
    finally:
        await desk.stop()


@pytest.fixture
async def citizen(small_bus: SmallBus) -> AsyncIterator[httpx.AsyncClient]:
    await small_bus.registrar.enrol_agencies(small_bus.agencies)
    await small_bus.activate(BANK, TAX)
    async with api(small_bus) as client:
        yield client


async def commit_position(
    bus: SmallBus, lane: int, consents_offset: int, *, before: int = 0, topics: Mapping[str, str] = MappingProxyType({})
) -> None:
    """What a lane commits when it has come so far; `before` other records of its state come first."""
    position = {"lane_time": 1, "block": 1, "consents_offset": consents_offset, "register_offset": 1, "inputs": {}}
    position |= {"commands_offset": 0, "due_until": 0, "topics": dict(topics)}
    others = [Outgoing(bus.topics.lane_state, lane, b"holding/%d" % number, b"any") for number in range(before)]
    value = bus.messages.encode("lane_position", position)
    writer = TransactionalWriter(bus.access, f"{bus.settings.prefix}router-{lane}")
    await writer.start()
    try:
        await writer.commit([*others, Outgoing(bus.topics.lane_state, lane, b"position", value)])
    finally:
        await writer.stop()


async def test_consent_is_written(small_bus: SmallBus, citizen: httpx.AsyncClient) -> None:
    """An accepted consent lies where the answer says, in the lane of its person, complete."""
    answer = await citizen.post("/v1/consents", json=act(given_by="GUARDIAN", valid_until="2099-01-01T00:00:00Z"))
    assert answer.status_code == 202
    (told,) = answer.json()["accepted"]
    assert (told["partition"], told["state"]) == (lane_of(SUBJECT, 8), "pending")
    (record,) = small_bus.read(small_bus.topics.consents)
    assert (record.partition, record.offset) == (told["partition"], told["offset"])
    event = consent_event(await small_bus.messages.decode(record.value or b""))
    assert record.key == event.key() == f"{SUBJECT}/{BANK}".encode()
    state = await small_bus.registrar.state()
    assert (event.event_id, event.revision) == (told["event_id"], state.agreements[BANK].revision)
    assert (event.action, event.given_by) == (ConsentAction.GIVE, GivenBy.GUARDIAN)
    assert event.valid_until_ms == 4_070_908_800_000
    assert clock.now_ms() - event.at_ms < 60_000


async def test_refused_requests_write_nothing(small_bus: SmallBus, citizen: httpx.AsyncClient) -> None:
    """One wrong act of many, or a caller without the token, leaves the topic untouched."""
    mixed = [act(), act(agreement="no-such"), act(agreement=TAX), act(given_by="ME")]
    for body in (mixed, mixed[:3], act(action="TAKE"), "{", 7):
        answer = await citizen.post("/v1/consents", **({"content": body} if body == "{" else {"json": body}))
        assert answer.status_code == 422
        assert all({"place", "reason", "remedy"} == one.keys() for one in answer.json()["errors"])
    places = [one["place"] for one in (await citizen.post("/v1/consents", json=mixed[:3])).json()["errors"]]
    assert places == ["[1].agreement", "[2].agreement"]
    for token in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}"):
        headers = {"authorization": token}
        assert (await citizen.post("/v1/consents", json=act(), headers=headers)).status_code == 401
        assert (await citizen.get(f"/v1/subjects/{SUBJECT}/consents", headers=headers)).status_code == 401
    assert small_bus.read(small_bus.topics.consents) == []


async def test_two_acts_at_once_under_one_id(small_bus: SmallBus, citizen: httpx.AsyncClient) -> None:
    """Of two acts under one id that come at once, one is taken and one refused; the same act twice is taken twice."""
    other = "001190000030"
    for number, changes in enumerate(
        ({"subject": other}, {"action": "WITHDRAW"}, {"valid_until": "2099-01-01T00:00:00Z"})
    ):
        one = act(event_id=f"id-{number}")
        answers = await asyncio.gather(*(citizen.post("/v1/consents", json=sent) for sent in (one, one | changes)))
        assert sorted(answer.status_code for answer in answers) == [202, 422], changes
        again = await asyncio.gather(
            *(citizen.post("/v1/consents", json=sent) for sent in (act(event_id=f"re-{number}"),) * 2)
        )
        assert [answer.status_code for answer in again] == [202, 202]
    assert len(small_bus.read(small_bus.topics.consents)) == 9


async def test_an_act_in_a_topic_that_was_made_anew(small_bus: SmallBus, citizen: httpx.AsyncClient) -> None:
    """How far a lane has come in an earlier topic of the name says nothing of an act in this one: it is pending."""
    (told,) = (await citizen.post("/v1/consents", json=act())).json()["accepted"]
    place, consents = {"partition": told["partition"], "offset": told["offset"]}, small_bus.topics.consents
    known = await Admin(small_bus.access).topic_ids([consents])
    for topics, state in (({consents: "another"}, "pending"), (known, "effective")):
        await commit_position(small_bus, told["partition"], told["offset"] + 1000, topics=topics)
        answer = await citizen.get("/v1/effective", params={**place, "wait": 2})
        assert answer.json()["state"] == state


async def test_thousands(small_bus: SmallBus, citizen: httpx.AsyncClient) -> None:
    """A list of thousands is written in the order of the list within each lane, in a moment."""
    acts = [act(subject=f"00119{number:07d}") for number in range(3000)]
    began = clock.monotonic()
    answer = await citizen.post("/v1/consents", json=acts)
    assert clock.monotonic() - began < 10
    accepted = answer.json()["accepted"]
    assert [one["event_id"] for one in accepted] == [one["event_id"] for one in acts]
    written = {(record.partition, record.offset): record for record in small_bus.read(small_bus.topics.consents)}
    assert len(written) == len(acts)
    for told, sent in zip(accepted, acts, strict=True):
        assert written[told["partition"], told["offset"]].key == f"{sent['subject']}/{BANK}".encode()


async def test_pending_until_the_lane_has_passed(small_bus: SmallBus, citizen: httpx.AsyncClient) -> None:
    """An event becomes effective when its lane commits a position beyond it; not by a position up to it."""
    (told,) = (await citizen.post("/v1/consents", json=act("WITHDRAW"))).json()["accepted"]
    lane, offset = told["partition"], told["offset"]
    where = {"partition": lane, "offset": offset}
    await commit_position(small_bus, lane, offset)
    await commit_position(small_bus, (lane + 1) % 8, offset + 9)
    assert (await citizen.get("/v1/effective", params=where | {"wait": "0.5"})).json() == where | {"state": "pending"}
    waiting = asyncio.create_task(citizen.get("/v1/effective", params=where))
    await commit_position(small_bus, lane, offset + 1)
    assert (await waiting).json() == where | {"state": "effective"}
    event = await citizen.get(f"/v1/consents/{told['event_id']}", params={"wait": "5"})
    assert event.json() == {"event_id": told["event_id"], **where, "state": "effective"}
    assert (await citizen.get("/v1/consents/unheard-of")).status_code == 404


async def test_effective_of_nothing(citizen: httpx.AsyncClient) -> None:
    """A place that cannot be, or a wait that is too long, is refused and not waited for."""
    for query in ("", "partition=8&offset=1", "partition=0&offset=-1", "partition=0&offset=0&wait=11"):
        assert (await citizen.get(f"/v1/effective?{query}")).status_code == 422


async def test_positions_are_found_after_a_restart(small_bus: SmallBus, citizen: httpx.AsyncClient) -> None:
    """A new process knows what took effect before it, also where much other state was written since."""
    (told,) = (await citizen.post("/v1/consents", json=act())).json()["accepted"]
    await commit_position(small_bus, told["partition"], told["offset"] + 1)
    writer = TransactionalWriter(small_bus.access, f"{small_bus.settings.prefix}router-later")
    await writer.start()
    others = [Outgoing(small_bus.topics.lane_state, told["partition"], b"h/%d" % n, b"any") for n in range(TAIL + 200)]
    await writer.commit(others)
    await writer.stop()
    async with api(small_bus) as second:
        found = await second.get(f"/v1/consents/{told['event_id']}")
        assert found.json()["state"] == "effective"


async def test_standing_of_a_person(small_bus: SmallBus, citizen: httpx.AsyncClient) -> None:
    """A person sees at once what they just did, folded, beside what rests on law."""

    async def standing() -> dict[str, Any]:
        answer = (await citizen.get(f"/v1/subjects/{SUBJECT}/consents")).json()
        assert answer["subject"] == SUBJECT
        found = {one["agreement"]: one for one in answer["consents"]}
        assert found[TAX]["standing"] == "by-law"
        bank: dict[str, Any] = found[BANK]
        return bank

    before = await standing()
    assert (before["reason"], before["words"]) == (Reason.CONSENT_MISSING.value, Reason.CONSENT_MISSING.meaning)
    assert before["title"]["en"] == "Address check for the bank"
    assert before["recipient"]["name"]["en"] == "Song Hong Commercial Bank"
    given = act(subject=SUBJECT)
    await citizen.post("/v1/consents", json=[given, act(subject="001190000030")])
    after = await standing()
    assert (after["standing"], after["given"]["event_id"]) == ("consented", given["event_id"])
    await citizen.post("/v1/consents", json=act("WITHDRAW"))
    await citizen.post("/v1/consents", json=given)
    withdrawn = await standing()
    assert (withdrawn["reason"], withdrawn["given"]) == (Reason.CONSENT_WITHDRAWN.value, None)
    poison = Outgoing(small_bus.topics.consents, lane_of(SUBJECT, 8), f"{SUBJECT}/{BANK}".encode(), b"no Avro")
    await small_bus.writer.append(poison)
    assert (await standing())["reason"] == Reason.CONSENT_UNREADABLE.value


async def test_agreements_as_of_now(small_bus: SmallBus, citizen: httpx.AsyncClient) -> None:
    """What the register says at the moment of the request decides: an ended agreement takes withdrawals only."""
    assert (await citizen.post("/v1/consents", json=act())).status_code == 202
    await small_bus.registrar.step(BANK, "ended", "a test")
    refused = await citizen.post("/v1/consents", json=act())
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["reason"] == "the agreement is ended"
    assert (await citizen.post("/v1/consents", json=act("WITHDRAW"))).status_code == 202


async def test_no_personal_id_in_the_log(citizen: httpx.AsyncClient, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither what is taken nor what is refused nor what is shown leaves a personal id in the log."""
    await citizen.post("/v1/consents", json=act())
    await citizen.post("/v1/consents", json=act(agreement=SUBJECT))
    await citizen.get(f"/v1/subjects/{SUBJECT}/consents")
    out, err = capfd.readouterr()
    assert "consents-taken" in out + err
    assert "consents-refused" in out + err
    assert SUBJECT not in out + err


async def test_following_survives_failures(small_bus: SmallBus) -> None:
    """A failure while records are taken in loses none of them and takes none in twice."""
    bus, seen, failures = small_bus, list[int](), [SchemaRegistryUnreachable(url="http://x", reason="a test")]

    async def apply(record: Incoming) -> None:
        if record.offset == 2 and failures:
            raise failures.pop()
        seen.append(record.offset)

    place = Place(bus.topics.consents, 0)
    follower = Follower(bus.access, bus.topics, apply, Effects(bus.messages, bus.topics.consents))
    await follower.start()
    try:
        await bus.writer.append_all(Outgoing(*place, b"key", b"%d" % number) for number in range(5))
        assert await follower.until(lambda: len(seen) >= 5, 20)
        assert await follower.until_read(place, 20)
    finally:
        await follower.stop()
    assert (seen, failures) == ([0, 1, 2, 3, 4], [])


async def test_another_bus(small_bus: SmallBus) -> None:
    """Set up for a bus of other lanes, the desk refuses to open, and closes what it had opened."""
    desk = ConsentDesk(small_bus.access, replace(small_bus.topics, lanes=4), small_bus.messages)
    with pytest.raises(BusMismatch, match="lanes=8"):
        await desk.start()
    await desk.stop()


async def test_the_process(small_bus: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process it announces its port, serves `bus consent` in plain words, and ends in order within seconds."""
    bus = small_bus
    await bus.activate(BANK)
    await bus.supervisor.start(stage_process(CITIZEN, bus.settings))
    await bus.route()
    home = Home.from_settings(bus.settings)
    monkeypatch.setenv("BUS_HOME", str(home.path))
    who = ("--subject", SUBJECT, "--agreement", BANK)
    given = await asyncio.to_thread(command, "give", *who, "--given-by", "guardian", "--json")
    assert json.loads(given)["state"] == "effective"
    withdrawn = await asyncio.to_thread(command, "withdraw", *who)
    assert re.fullmatch(r"pending    partition \d+ offset 1\neffective  after \d+ ms\n", withdrawn)
    await asyncio.to_thread(command, "give", *who, "--no-wait", "--proof", "paper 7")
    (shown,) = json.loads(await asyncio.to_thread(command, "show", "--subject", SUBJECT, "--json"))
    assert (shown["standing"], shown["given"]["proof"]) == ("consented", "paper 7")
    assert "The person consented." in await asyncio.to_thread(command, "show", "--subject", SUBJECT)
    with pytest.raises(ConsentRefused, match="there is no such agreement") as refused:
        await asyncio.to_thread(command, "give", "--subject", SUBJECT, "--agreement", "person-adress-to-bank")
    assert f"Did you mean {BANK}?" in refused.value.how_to_mend
    began = clock.monotonic()
    await bus.supervisor.stop(CITIZEN.name)
    assert clock.monotonic() - began < 5
    assert home.endpoint(CITIZEN.name) is None
    log = home.log(CITIZEN.name).read_text()
    assert "process-stopping" in log
    assert SUBJECT not in log
    assert "Traceback" not in log
    with pytest.raises(ConsentApiUnreachable):
        await asyncio.to_thread(command, "show", "--subject", SUBJECT)


def command(*words: str) -> str:
    """What `bus consent` prints; raises what it would tell as an error."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(consent, words, catch_exceptions=False).stdout
