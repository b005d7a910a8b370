"""What an agency sees, read under its own user from what a real router released."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from click.testing import CliRunner

from bus.cli import cli
from bus.deliver.recipients import Flow, flows_of, read_register, recipients
from bus.deliver.subscribe import Wanted
from bus.deliver.tail import Seen, tail
from bus.errors import NotFound, TopicForbidden
from bus.kafka.access import KafkaAccess
from bus.kafka.rights import OPERATOR, agency_user
from bus.model.consent import ConsentAction
from bus.model.reasons import Reason
from bus.platform.home import Home
from bus.platform.reach import kafka_access
from bus.settings import KafkaSettings
from tests.broker.conftest import SmallBus, founded_bus
from tests.conftest import fresh_prefix

pytestmark = pytest.mark.broker
in_the_loop_of_the_bus = pytest.mark.asyncio(loop_scope="module")

BANK, TAX, STATISTICS = "person-address-to-bank", "person-to-tax", "person-to-statistics"
BANK_AGENCY = "commercial-bank"
PERSON = "001190000029"


def access_of(bus: SmallBus, user: str) -> KafkaAccess:
    return kafka_access(bus.settings, KafkaSettings(), Home.from_settings(bus.settings), user)


async def flows(bus: SmallBus, agency: str, agreement: str | None = None) -> tuple[Flow, ...]:
    state = await read_register(access_of(bus, OPERATOR), bus.topics, bus.client)
    return flows_of(recipients(state), agency, agreement)


async def seen(bus: SmallBus, agency: str, listed: tuple[Flow, ...], *, most: int) -> list[Seen]:
    """The first records that an agency sees from the beginning; ends by itself only when there are so many."""
    found: list[Seen] = []
    async for one in tail(access_of(bus, agency_user(agency)), bus.client, listed, from_beginning=True):
        found.append(one)
        if len(found) == most:
            break
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lively(kafka: KafkaAccess, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SmallBus]:
    """One person released to bank, tax authority and statistics office, then withdrawn from the bank.

    All tests of this file look at the same bus, and change nothing in it.
    """
    with fresh_prefix(kafka) as prefix:
        async with founded_bus(kafka, prefix, tmp_path_factory.mktemp("lively")) as bus:
            await bus.registrar.enrol_agencies(bus.agencies)
            await bus.activate(BANK, TAX, STATISTICS)
            await bus.route()
            await bus.consent(PERSON, BANK, ConsentAction.GIVE, event_id="give")
            await bus.publish(await bus.person(PERSON))
            await bus.until(lambda: len(bus.held(BANK)) == 1, "the person at the bank")
            await bus.consent(PERSON, BANK, ConsentAction.WITHDRAW, event_id="stop")
            await bus.until(lambda: not bus.held(BANK), "nobody at the bank")
            yield bus


@in_the_loop_of_the_bus
async def test_release_and_erasure(lively: SmallBus) -> None:
    """The bank sees its view of the person decoded, then the erasure with its reason; the statistics a pseudonym."""
    released, erased = await seen(lively, BANK_AGENCY, await flows(lively, BANK_AGENCY), most=2)
    assert (released.what, released.agreement, released.reason) == ("released", BANK, None)
    assert released.fields is not None
    assert released.fields["personal_id"] == PERSON
    assert (released.fields["is_adult"], released.fields["phone"]) == (True, None)
    assert (erased.what, erased.key) == ("erased", released.key)
    assert (erased.reason, erased.words) == (Reason.CONSENT_WITHDRAWN.value, Reason.CONSENT_WITHDRAWN.meaning)
    statistics = await flows(lively, "statistics-office")
    (counted,) = await seen(lively, "statistics-office", statistics, most=1)
    assert PERSON not in repr(counted)


@in_the_loop_of_the_bus
async def test_nothing_of_other_agencies(lively: SmallBus) -> None:
    """A flow that belongs to another agency is refused by the broker, and told so."""
    if not lively.access.has_identity:
        pytest.skip("this broker has no identities: rights cannot be tested on it")
    others = await flows(lively, "tax-authority")
    with pytest.raises(TopicForbidden, match=f"agency-{BANK_AGENCY}"):
        await seen(lively, BANK_AGENCY, others, most=1)


@in_the_loop_of_the_bus
async def test_up_to_now(lively: SmallBus) -> None:
    """Without following, a look ends with what is there; without the beginning, there is nothing before now."""
    access, listed = access_of(lively, agency_user(BANK_AGENCY)), await flows(lively, BANK_AGENCY)
    looks = [
        [one.what async for one in tail(access, lively.client, listed, from_beginning=begin, follow=False)]
        for begin in (True, False)
    ]
    assert looks == [["released", "erased"], []]


@in_the_loop_of_the_bus
async def test_unknown_names(lively: SmallBus) -> None:
    """An unknown agency or agreement is answered with those that are known."""
    with pytest.raises(NotFound) as nobody:
        await flows(lively, "no-such-office")
    assert BANK_AGENCY in nobody.value.how_to_mend
    with pytest.raises(NotFound) as nothing:
        await flows(lively, BANK_AGENCY, TAX)
    assert nothing.value.how_to_mend == f"Known: {BANK}."


def test_commands(lively: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """`bus agency list` names agencies and topics; `bus agency tail` prints a line a record and ends when asked."""
    monkeypatch.setenv("BUS_HOME", str(lively.settings.home_path))
    monkeypatch.setenv("BUS_PREFIX", lively.settings.prefix)

    def bus(*words: str) -> str:
        answer = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert answer.exit_code == 0
        return answer.stdout

    listed = {one["id"]: one for one in json.loads(bus("agency", "list", "--json"))}
    assert [one["topic"] for one in listed[BANK_AGENCY]["agreements"]] == [lively.agency_topic(BANK)]
    assert "public-security" not in listed
    tail_words = ("agency", "tail", BANK_AGENCY, "--from-beginning")
    released, erased = [json.loads(line) for line in bus(*tail_words, "--max", "2", "--json").splitlines()]
    assert (released["what"], released["fields"]["personal_id"]) == ("released", PERSON)
    assert (erased["what"], erased["fields"], erased["reason"]) == ("erased", None, "consent-withdrawn")
    first, second = bus(*tail_words, "--no-follow").splitlines()
    assert f"released  personal_id={PERSON}" in first
    assert second.endswith("erased  consent-withdrawn: The person withdrew the consent.")


@in_the_loop_of_the_bus
async def test_interrupted(lively: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a look that follows: at once, without an error, after what was seen."""
    monkeypatch.setenv("BUS_HOME", str(lively.settings.home_path))
    monkeypatch.setenv("BUS_PREFIX", lively.settings.prefix)
    words = ("-m", "bus", "agency", "tail", BANK_AGENCY, "--agreement", BANK, "--from-beginning", "--json")
    looking = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=PIPE, stderr=PIPE)
    assert looking.stdout is not None
    try:
        async with asyncio.timeout(30):
            seen = [json.loads(await looking.stdout.readline())["what"] for _ in range(2)]
        looking.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            rest, errors = await looking.communicate()
    finally:
        if looking.returncode is None:
            looking.kill()
    assert (seen, rest, errors, looking.returncode) == (["released", "erased"], b"", b"", 0)


async def test_a_new_major_version_is_followed(small_bus: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks on sees the erasure in the old topic and the release in the new one, and nothing twice."""
    monkeypatch.setattr("bus.deliver.tail.LOOK_SECONDS", 0.5)
    bus, text = small_bus, small_bus.documents[BANK]
    await bus.activate(BANK)
    await bus.route()
    await bus.consent(PERSON, BANK, ConsentAction.GIVE, event_id="give")
    await bus.publish(await bus.person(PERSON))
    wanted = Wanted(bus.topics, BANK_AGENCY, frozenset({BANK}))
    listed, access, found = await flows(bus, BANK_AGENCY, BANK), access_of(bus, agency_user(BANK_AGENCY)), []
    async with asyncio.timeout(60):
        async for one in tail(access, bus.client, listed, from_beginning=True, wanted=wanted):
            found.append((one.topic, one.what))
            if len(found) == 1:
                bus.documents[BANK] = text.model_copy(update={"fields": text.fields[:-1], "major": 2})
                await bus.activate(BANK)
            elif len(found) == 3:
                break
    old = listed[0].topic
    assert sorted(found) == sorted([(old, "released"), (old, "erased"), (bus.agency_topic(BANK), "released")])
