"""What operators see and order, on a real broker, through the commands themselves and under their own users."""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer
from confluent_kafka.admin import AdminClient

from bus import clock
from bus.avro.frame import frame
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.rights import router_group
from bus.model.consent import ConsentAction
from bus.model.key import lane_of
from bus.model.record import Outgoing
from bus.model.waits import MEND_HELD_BACK, Wait
from bus.platform.home import Home
from bus.wiring import ROUTE, stage_process
from tests.broker.conftest import PERSON, SmallBus, kafka_environment

pytestmark = pytest.mark.broker

BANK, TAX = "person-address-to-bank", "person-to-tax"
AN = "001090099999"


def people(count: int) -> list[str]:
    return [f"0010900{number:05d}" for number in range(count)]


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    stdout: str
    stderr: str


async def call(*words: str) -> Answer:
    """A command of `bus`, as a process of its own."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bus", *words, stdout=pipe, stderr=pipe)
    stdout, stderr = await process.communicate()
    return Answer(process.returncode or 0, stdout.decode(), stderr.decode())


async def told(*words: str) -> Any:
    """What a command says with --json."""
    answer = await call(*words, "--json")
    assert answer.stdout, answer.stderr
    return json.loads(answer.stdout)


async def until_told(holds: Callable[[Any], bool], *words: str) -> Any:
    """Ask until the answer is as it must be."""
    deadline = clock.monotonic() + 60
    while True:
        answer = await told(*words)
        if holds(answer):
            return answer
        assert clock.monotonic() < deadline, answer
        await asyncio.sleep(0.2)


async def test_lanes_and_flows(bus: SmallBus) -> None:
    """Lanes tell who serves them and that nothing waits, flows what went where, and lag tools see the same offsets."""
    await bus.activate(TAX, BANK)
    unserved = await told("lanes")
    assert {one["health"] for one in unserved} == {"unserved"}
    assert (await call("lanes", "--once")).code == 1
    await bus.route()
    # A lane looks once through what exists. What comes before its turn is judged again in it, and so withheld twice.
    await until_told(lambda found: all(one["health"] == "serving" for one in found), "lanes")
    await bus.publish(*[await bus.person(one) for one in people(20)])
    await bus.until(lambda: len(bus.held(TAX)) == 20, "twenty people")
    lanes = await until_told(
        lambda found: all(one["lag_records"] == 0 and one["health"] == "serving" for one in found), "lanes"
    )
    assert [one["lane"] for one in lanes] == list(range(bus.settings.lanes))
    assert all(one["owner"].startswith("route@") and one["instance"] == "route" for one in lanes)
    assert sum(one["released"] for one in lanes) == 20
    positions = await bus.positions()
    assert {one["lane"]: one["block"] for one in lanes} == {lane: found["block"] for lane, found in positions.items()}
    table = await call("lanes")
    assert table.code == 0
    assert "serving" in table.stdout
    flows = {one["agreement"]: one for one in await told("flows")}
    assert flows[TAX]["released"] == 20
    assert flows[TAX]["standing"] == "active"
    assert flows[BANK]["withheld_judgements"] == {"consent-missing": 20}
    assert "consent-missing 20" in " ".join((await call("flows", "--all")).stdout.split())
    inputs = {(bus.topics.changes(PERSON), one["lane"]): one["inputs"][PERSON] for one in lanes}
    await bus.until(lambda: inputs.items() <= committed(bus).items(), "the group's offsets, told once a second")
    await bus.publish(await bus.person(people(1)[0], full_name="Trần Thị Bình"))  # a rate is that of the last minute
    await until_told(lambda found: any(one["agreement"] == TAX and one["per_second"] > 0 for one in found), "flows")


def committed(bus: SmallBus) -> dict[tuple[str, int], int]:
    """The offsets of the router's group as lag tools see them."""
    client = AdminClient(bus.access.for_confluent())
    asked = [ConsumerGroupTopicPartitions(router_group(bus.topics))]
    (future,) = client.list_consumer_group_offsets(asked).values()
    return {(place.topic, place.partition): place.offset for place in future.result().topic_partitions}


async def test_pause_and_resume(bus: SmallBus) -> None:
    """A paused flow releases nothing and still erases on withdrawal; resumed, it catches up with what changed."""
    await bus.activate(TAX, BANK)
    await bus.route()
    first, second = people(2)
    for one in (first, second):
        await bus.consent(one, BANK, ConsentAction.GIVE, event_id=f"give-{one}")
    await bus.publish(*[await bus.person(one) for one in (first, second)])
    await bus.until(lambda: len(bus.held(BANK)) == 2, "two people at the bank")
    paused = await call("route", "pause", PERSON, "--reason", "a test")
    assert paused.code == 0, paused.stderr
    assert "effective in every lane" in paused.stdout
    assert {one["standing"] for one in await told("flows")} == {"paused"}
    before = bus.held(TAX)
    await bus.publish(await bus.person(first, full_name="Trần Thị Bình"), await bus.person(people(3)[2]))
    await bus.consent(second, BANK, ConsentAction.WITHDRAW, event_id="stop")
    await bus.until(lambda: len(bus.held(BANK)) == 1, "the withdrawal to take effect")
    await until_told(lambda flows: any("route-paused" in one["withheld_judgements"] for one in flows), "flows")
    assert bus.held(TAX) == before
    await call("route", "resume", PERSON, "--reason", "a test", "--no-wait")
    await bus.until(lambda: len(bus.held(TAX)) == 3, "three people at the tax authority")
    assert bus.held(TAX) != before
    assert len(bus.held(BANK)) == 1


async def test_backfill(bus: SmallBus) -> None:
    """Records judged again are sent to nobody who holds them unchanged."""
    await bus.activate(TAX)
    await bus.route()
    await bus.publish(*[await bus.person(one) for one in people(10)])
    await bus.until(lambda: len(bus.held(TAX)) == 10, "ten people")
    answer = await call("route", "backfill", TAX, "--reason", "a test")
    assert answer.code == 0, answer.stderr
    await until_told(lambda lanes: not any(one["catching_up"] for one in lanes), "lanes")
    cursors = [record for record in bus.read(bus.topics.lane_state) if (record.key or b"").startswith(b"cursor/")]
    fact = int(answer.stdout.partition("fact ")[2].split()[0])
    newest = {record.partition: (await bus.value(record))["standing"] for record in cursors}
    assert {text.rpartition(".")[2] for text in newest.values()} == {str(fact)}
    assert len(bus.read(bus.agency_topic(TAX))) == 10


async def test_unknown_names(bus: SmallBus) -> None:
    """What nobody knows can be neither paused nor released, and the answer names what there is."""
    await bus.activate(TAX)
    answer = await call("route", "pause", "no-such-agreement", "--reason", "a test")
    assert (answer.code, TAX in answer.stderr) == (2, True)
    answer = await call("deadletter", "release", "0:5", "--reason", "a test")
    assert "no dead letter named 0:5" in answer.stderr


async def poison(bus: SmallBus) -> tuple[str, int]:
    """A record whose schema nobody has registered yet lies in deadletters; returns its name, and that schema's id."""
    good = (await bus.person(AN)).value or b""
    newest = await bus.client.register("changes.newest-value", {"type": "record", "name": "Newest", "fields": []})
    await bus.publish(bus.change(PERSON, AN, frame(newest + 1, good[5:])))
    (letter,) = await until_told(lambda found: len(found) == 1, "deadletter", "list")
    return str(letter["letter"]), newest + 1


async def register_the_schema(bus: SmallBus, schema_id: int) -> None:
    """Now the schema exists under the id that the record named."""
    schema = bus.datasets[PERSON].schema | {"doc": "registered too late"}
    assert await bus.client.register("changes.late-value", schema) == schema_id


HELD = """
import asyncio, sys
from pathlib import Path
from bus.cli import main
from bus.kafka.producer import Producer

gate, commit = Path(sys.argv.pop(1)), Producer.commit_transaction

async def held(self):
    while gate.exists():
        await asyncio.sleep(0.05)
    await commit(self)

Producer.commit_transaction = held
main()
"""
"""A router whose transactions are not ended while a file is there, as by a broker without their coordinator."""


async def test_a_broker_that_does_not_end_a_transaction(bus: SmallBus, tmp_path: Path) -> None:
    """A lane that waits for the broker says so after some seconds, with why, to who looks and in its log."""
    await bus.activate(TAX)
    gate = tmp_path / "gate"
    stage = stage_process(ROUTE, bus.settings)
    await bus.supervisor.start(replace(stage, argv=(stage.argv[0], "-c", HELD, str(gate), *ROUTE.words)))
    await until_told(lambda found: all(one["health"] == "serving" for one in found), "lanes")
    gate.touch()
    await bus.publish(await bus.person(AN))
    lane = lane_of(AN, bus.settings.lanes)  # others may have had something to write too
    waiting = (await until_told(lambda found: bool(found[lane]["awaiting_broker"]), "lanes"))[lane]
    assert (waiting["lane"], waiting["health"]) == (lane, "awaiting-broker")
    assert waiting["awaiting_broker"]["step"] == "end"
    assert waiting["awaiting_broker"]["reason"] == Wait.END.meaning
    log = Home.from_settings(bus.settings).log("route")
    await bus.until(lambda: '"event": "lane-waits"' in log.read_text(), "its log says that it waits")
    gate.unlink()
    await until_told(lambda found: all(one["health"] == "serving" for one in found), "lanes")
    await bus.until(lambda: len(bus.held(TAX)) == 1, "the person is released after all")
    await bus.until(lambda: '"event": "lane-goes-on"' in log.read_text(), "its log says that it is over")


async def test_a_transaction_that_nobody_ends(bus: SmallBus) -> None:
    """A transaction that holds a lane back is told with where, how much and what to do; once it ends, so is that."""
    await bus.activate(TAX)
    await bus.route()
    await until_told(lambda found: all(one["health"] == "serving" for one in found), "lanes")
    await bus.publish(await bus.person(AN))
    await bus.until(lambda: len(bus.held(TAX)) == 1, "one who comes before it is released")
    stranger = Producer(bus.access.for_confluent() | {"transactional.id": f"{bus.settings.prefix}stranger"})
    await asyncio.to_thread(stranger.init_transactions)
    stranger.begin_transaction()
    change = await bus.person(AN, residence_province="79")
    stranger.produce(change.topic, partition=change.partition, key=change.key, value=b"never to be read")
    await asyncio.to_thread(stranger.flush)
    await bus.publish(change)
    lane = lane_of(AN, bus.settings.lanes)
    found = await until_told(lambda found: any(one["held_back"] for one in found), "lanes")
    assert [one["lane"] for one in found if one["health"] == "held-back"] == [lane]
    (held,) = found[lane]["held_back"]
    assert (held["topic"], held["partition"], held["remedy"]) == (change.topic, lane, MEND_HELD_BACK)
    assert (held["stable_offset"], held["unread"]) == (2, 3)  # the stranger's record, and one with its marker
    assert "offset 2; 3 offsets are unread" in " ".join((await call("lanes", "--once")).stdout.split())
    log = Home.from_settings(bus.settings).log("route")
    assert '"event": "input-held-back"' in log.read_text()
    await asyncio.to_thread(stranger.abort_transaction)
    await until_told(lambda found: all(one["health"] == "serving" for one in found), "lanes")
    await bus.until(lambda: len(bus.read(bus.agency_topic(TAX))) == 2, "what lay behind it is released")
    await bus.until(lambda: '"event": "input-goes-on"' in log.read_text(), "its log says that it is over")


async def test_what_no_number_is(bus: SmallBus) -> None:
    """A name of digits that are none of ours is wrong use, and a span longer than all time counts everything."""
    letter = await call("deadletter", "show", "²:0")
    assert (letter.code, letter.stderr.splitlines()[0]) == (2, "error: ²:0 names no dead letter")
    assert (await call("flows", "--once", "--last", "99999999999999")).code == 0


ORDERS = [
    *(("route", word, TAX, "--reason", "x") for word in ("pause", "resume", "backfill")),
    ("route", "verify"),
    ("deadletter", "list"),
    ("deadletter", "show", "0:0"),
    *(("deadletter", word, "0:0", "--reason", "x") for word in ("release", "discard")),
    ("lanes", "--once"),
    ("flows", "--once"),
]


async def test_a_user_without_the_right(
    bus: SmallBus, identities: KafkaAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may not is told at once what, as whom and where, with a remedy, by each command that operators have."""
    user = f"{bus.settings.prefix}nobody"
    await Admin(identities).ensure_user(user, "secret")
    for variable, text in kafka_environment(identities.as_user(user, "secret")).items():
        monkeypatch.setenv(variable, text)
    monkeypatch.setenv("BUS_HOME", str(tmp_path / "elsewhere"))  # where no passwords of the bus's users lie
    try:
        answers = []
        for words in ORDERS:
            async with asyncio.timeout(30):  # the client alone would look for a hidden topic for 40 seconds
                answers.append(await call(*words))
    finally:
        await Admin(identities).remove_user(user)
    for words, answer in zip(ORDERS, answers, strict=True):
        error, remedy = answer.stderr.splitlines()
        assert error.startswith(f"error: the Kafka user {user} may not "), words
        assert error.endswith(f" at {identities.bootstrap}"), words
        assert remedy.startswith("remedy: Call it as a user who may"), words
        assert (answer.code, answer.stdout) == (1, ""), words


async def test_no_bus_under_this_prefix(bus: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Kafka that holds no such bus is told as that to who may see it, and to others with the prefix to look at."""
    monkeypatch.setenv("BUS_PREFIX", "nowhere.")
    async with asyncio.timeout(60):  # the client alone would look for 40 seconds, for each of them
        as_administrator, as_operator = await call("route", "verify"), await call("lanes", "--once")
    told = f"error: there is no bus at {bus.access.bootstrap} under the prefix 'nowhere.': "
    assert (as_administrator.code, as_administrator.stderr.startswith(told)) == (1, True), as_administrator.stderr
    assert as_operator.code == 1
    assert all(word in as_operator.stderr for word in ("the user or the password: nowhere.operator", "BUS_PREFIX"))


async def test_no_bus_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was started, each of these commands says so, and where it looked."""
    for variable in ("BUS_KAFKA", "BUS_SCHEMA_REGISTRY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("BUS_HOME", str(tmp_path / "home"))
    for words in ORDERS:
        answer = await call(*words)
        error, remedy = answer.stderr.splitlines()
        assert error == f"error: no Kafka broker answers at 127.0.0.1 (none was started in {tmp_path / 'home'})", words
        assert remedy.startswith("remedy: Is it running?"), words
        assert answer.code == 1, words


async def test_verify(bus: SmallBus) -> None:
    """Topics, log and books agree after a kill and a withdrawal, and tell of the person; what is planted is found."""
    await bus.activate(TAX, BANK)
    await bus.route()
    await bus.consent(AN, BANK, ConsentAction.GIVE, event_id="give")
    await bus.publish(await bus.person(AN), *[await bus.person(one) for one in people(10)])
    bus.kill()
    await bus.until(lambda: len(bus.held(BANK)) == 1, "a record at the bank")
    await bus.consent(AN, BANK, ConsentAction.WITHDRAW, event_id="stop")
    await bus.until(lambda: len(bus.held(TAX)) == 11 and not bus.held(BANK), "everybody at the tax authority")
    good = await told("route", "verify")
    assert (good["agree"], good["records"], good["entries"], good["holdings"]) == (True, 13, 13, 11)
    about = await told("disclosures", "--subject", AN)
    order = [(one["what"], one["agreement"]) for one in about["happened"] if one["agreement"] == BANK]
    assert order == [(what, BANK) for what in ("consented", "released", "withdrew", "erased")]
    assert (about["held"], about["uncovered"]) == ({TAX: 1}, 0)
    await bus.supervisor.stop("route")
    first, second, *_ = bus.read(bus.agency_topic(TAX))
    await bus.publish(
        Outgoing(first.topic, first.partition, first.key, first.value, (("ce_id", b"planted"),)),
        Outgoing(second.topic, second.partition, second.key, None),
        Outgoing(second.topic, 0, b"nobody/1", (second.value or b"") + b"x", second.headers),
    )
    bad = await told("route", "verify", TAX)
    assert bad["agreements"] == [TAX]
    kinds = {kind: found["count"] for kind, found in bad["findings"].items()}
    assert kinds.pop("not-logged") >= 1
    assert kinds == {"without-event-id": 1, "booked-and-not-held": 1, "held-and-not-booked": 1} | (
        {} if second.partition else {"sent-twice": 1}
    )
    assert AN not in json.dumps(bad)
    assert (await call("route", "verify", TAX)).code == 1
    assert (await told("route", "verify", BANK))["agree"]
