"""What each Kafka user is refused: by the broker itself, whatever the client does."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError, KafkaConnectionError
from aiokafka.protocol.fetch import FetchRequest
from confluent_kafka import KafkaError, KafkaException, Producer

from bus import clock
from bus.errors import UserTaken
from bus.kafka import rights
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.reach import require_known
from bus.kafka.rights import Right
from bus.platform.home import Home
from bus.register.grounds import Grounds
from bus.register.registrar import ConnectorEntry
from bus.topics import Topics, TopicSpec
from tests.broker.conftest import SmallBus

pytestmark = pytest.mark.broker

DENIED = KafkaError.TOPIC_AUTHORIZATION_FAILED
GROUP = 0
"""The kind of a coordinator, as the protocol counts them."""


@dataclass(frozen=True)
class Users:
    """A bus of two agencies and two connectors, and the access of each user."""

    topics: Topics
    access: dict[str, KafkaAccess]

    def write(self, user: str, topic: str, **config: str) -> int | None:
        """Try to append one record; the broker's error code, None when it was taken."""
        producer = Producer(self.access[user].for_confluent() | {"acks": "all", "message.timeout.ms": 10_000} | config)
        outcome: list[KafkaError | None] = []
        if "transactional.id" in config:
            try:
                producer.init_transactions(10)
            except KafkaException as error:
                return int(error.args[0].code())
            producer.begin_transaction()
        producer.produce(
            topic, b"value", b"key", partition=0, on_delivery=lambda error, _message: outcome.append(error)
        )
        producer.flush(15)
        (refusal,) = outcome
        return None if refusal is None else int(refusal.code())

    @asynccontextmanager
    async def client(self, user: str) -> AsyncIterator[AIOKafkaClient]:
        """A connection to the broker, for bare requests. Raises KafkaConnectionError."""
        client = AIOKafkaClient(**self.access[user].for_aiokafka())
        try:
            await client.bootstrap()
            yield client
        finally:
            await client.close()

    async def read(self, user: str, topic: str) -> int | None:
        """Ask the broker for the records of a topic; its error code, None when it gave them.

        A bare request: a consumer hides a refusal behind its patience.
        """
        request = FetchRequest(100, 1, 1 << 20, 1, [(topic, [(0, 0, 1 << 20)])])
        async with self.client(user) as client:
            answer = await client.send(client.get_random_node(), request)
        ((_, ((_, code, *_rest),)),) = answer.topics
        return code or None

    async def joins(self, user: str, group: str) -> bool:
        """Whether the broker talks with a user about a consumer group, as every member must ask it to first."""
        async with self.client(user) as client:
            try:
                await client.coordinator_lookup(GROUP, group)
            except GroupAuthorizationFailedError:
                return False
            except GroupCoordinatorNotAvailableError:
                return True  # it may, and the broker's topic of groups is being made
        return True

    async def reads(self, user: str, topics: Iterable[str]) -> dict[str, int | None]:
        """What comes of reading each."""
        return {topic: await self.read(user, topic) for topic in topics}

    async def writes(self, user: str, topics: Iterable[str]) -> dict[str, int | None]:
        """What comes of writing each."""
        return {topic: await asyncio.to_thread(self.write, user, topic) for topic in topics}


def refused(topics: Iterable[str]) -> dict[str, int | None]:
    return dict.fromkeys(topics, DENIED)


def granted(topics: Iterable[str]) -> dict[str, int | None]:
    return dict.fromkeys(topics)


AGENCIES, CONNECTORS = ("bank", "tax"), {"population": "population", "land": "land"}
ADMIN = "admin"


@pytest.fixture
async def users(identities: KafkaAccess, prefix: str) -> Users:
    """Every kind of user with the rights of its kind, and one record in each topic that somebody may read."""
    topics = Topics(prefix, 1)
    admin = Admin(identities)
    flows = [topics.agency_spec(topics.agency(agency, "x", 1), pseudonymous=False) for agency in AGENCIES]
    changes = [topics.changes_spec(f"{registry}.thing") for registry in CONNECTORS.values()]
    own = [spec for name in CONNECTORS for spec in topics.connector_specs(name)]
    shared = TopicSpec(topics.shared_positions, 1, ())  # as on a bus from before each connector had its own
    await admin.ensure_topics([*topics.founding(), *flows, *changes, *own, shared])
    given = {
        **{rights.agency_user(agency): rights.agency_rights(topics, agency) for agency in AGENCIES},
        **{rights.connector_user(name): rights.connector_rights(topics, name, of) for name, of in CONNECTORS.items()},
        rights.ROUTER: rights.router_rights(topics),
        rights.CITIZEN: rights.citizen_rights(topics),
        rights.OPERATOR: rights.operator_rights(topics),
        rights.CUSTODIAN: rights.custodian_rights(topics),
        rights.PREVIEWER: rights.previewer_rights(topics),
        rights.SCHEMA_REGISTRY: rights.schema_registry_rights(topics),
    }
    access = {ADMIN: identities}
    for user, user_rights in given.items():
        access[user] = await _enrol(admin, identities, user, user_rights)
    made = Users(topics, access)
    read = [
        topics.register,
        topics.consents,
        topics.lane_state,
        topics.schemas,
        *(spec.name for spec in flows + changes),
    ]
    assert await made.writes(ADMIN, read) == granted(read)
    return made


async def _enrol(admin: Admin, identities: KafkaAccess, user: str, user_rights: list[Right]) -> KafkaAccess:
    """The user under a name of this test's own, so that no other test can have given it more."""
    name, password = f"{user}-{secrets.token_hex(4)}", secrets.token_hex(8)
    await admin.ensure_user(name, password)
    renamed = [Right(name, one.operation, one.resource, one.pattern, one.name) for one in user_rights]
    await admin.ensure_rights(renamed)
    deadline = clock.monotonic() + 60
    while await admin.rights_of(name) != set(renamed):  # the broker's answer comes before its own knowledge
        assert clock.monotonic() < deadline, f"{name} never got its rights"
        await asyncio.sleep(0.02)
    return identities.as_user(name, password)


async def test_a_user_that_is_not_yet_known(identities: KafkaAccess) -> None:
    """Who waits for the broker to take a user waits for as long as it refuses it, and no longer."""
    name, password = f"late-{secrets.token_hex(4)}", secrets.token_hex(8)
    waiting = asyncio.create_task(require_known(identities.as_user(name, password)))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await Admin(identities).ensure_user(name, password)
    await asyncio.wait_for(waiting, 20)


async def test_agency(users: Users) -> None:
    """An agency reads its own topics and nothing else, and writes nothing at all."""
    topics, bank = users.topics, "agency-bank"
    own, foreign = topics.agency("bank", "x", 1), topics.agency("tax", "x", 1)
    assert await users.read(bank, own) is None
    inside = (topics.consents, topics.register, topics.lane_state, topics.disclosures, topics.schemas)
    others = (foreign, topics.changes("population.thing"), *inside)
    assert await users.reads(bank, others) == refused(others)
    forbidden = (topics.register, topics.consents, own, foreign, topics.commands)
    assert await users.writes(bank, forbidden) == refused(forbidden)


async def test_agency_groups(users: Users) -> None:
    """An agency uses groups of its own name, and not another agency's, where it could move that one's offsets."""
    own = f"{users.topics.agency_prefix('bank')}readers"
    others = (f"{users.topics.agency_prefix('tax')}readers", rights.router_group(users.topics))
    assert await users.joins("agency-bank", own)
    assert [await users.joins("agency-bank", other) for other in others] == [False, False]


async def test_connector(users: Users) -> None:
    """A connector writes its own registry's topics and its own, and nothing that is another's or everybody's."""
    topics, land = users.topics, "connector-land"
    own, letters = (topics.changes("land.thing"), topics.positions("land")), topics.deadletters_of("land")
    assert await users.writes(land, (*own, letters)) == granted((*own, letters))
    assert await users.reads(land, own) == granted(own)
    others = topics.connector_specs("population")
    foreign = (topics.changes("population.thing"), *(spec.name for spec in others))
    shared = (topics.shared_positions, topics.deadletters, topics.status)
    inside = (topics.register, topics.consents, topics.schemas, topics.lane_state, topics.disclosures)
    forbidden = (*foreign, *shared, topics.agency("bank", "x", 1), *inside)
    assert await users.writes(land, forbidden) == refused(forbidden)
    assert await users.reads(land, foreign) == refused(foreign)


async def test_a_connector_that_is_registered_again(identities: KafkaAccess, small_bus: SmallBus) -> None:
    """It loses what connectors could write as long as they shared topics, and keeps the rest."""
    topics, admin, entry = small_bus.topics, Admin(identities), ConnectorEntry("shop", "shop", {})
    name = topics.user(rights.connector_user("shop"))
    await admin.ensure_rights(replace(right, user=name) for right in rights.former_connector_rights(topics, "shop"))
    await small_bus.registrar.enrol_connectors([entry])
    wanted = {replace(right, user=name) for right in rights.connector_rights(topics, "shop", "shop")}
    deadline = clock.monotonic() + 60
    while await admin.rights_of(name) != wanted:
        assert clock.monotonic() < deadline, await admin.rights_of(name) ^ wanted
        await asyncio.sleep(0.02)


async def test_connector_cannot_fence_another(users: Users) -> None:
    """A connector cannot start under the transactional id of another one, nor of the router: it would fence it."""
    topics, topic = users.topics, users.topics.changes("land.thing")
    own = rights.connector_transactional_id(topics, "land")
    others = (rights.connector_transactional_id(topics, "population"), f"{rights.router_group(topics)}-0")

    def check() -> list[int | None]:
        return [users.write("connector-land", topic, **{"transactional.id": name}) for name in (own, *others)]

    denied = KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert await asyncio.to_thread(check) == [None, denied, denied]


async def test_router(users: Users) -> None:
    """The router reads consents and can't write them, nor changes or schemas; into the register it tells of days."""
    topics = users.topics
    readable = (topics.consents, topics.register, topics.changes("land.thing"), topics.lane_state)
    assert await users.reads(rights.ROUTER, readable) == granted(readable)
    assert await users.writes(rights.ROUTER, [topics.register]) == granted([topics.register])
    forbidden = (topics.consents, topics.changes("land.thing"), topics.schemas, topics.positions("land"))
    assert await users.writes(rights.ROUTER, forbidden) == refused(forbidden)


async def test_citizen_api(users: Users) -> None:
    """The consent API writes consents alone, and reads neither what registries say nor what agencies receive."""
    topics, flow = users.topics, users.topics.agency("bank", "x", 1)
    assert await users.writes(rights.CITIZEN, [topics.consents]) == granted([topics.consents])
    readable = (topics.consents, topics.register, topics.lane_state)
    assert await users.reads(rights.CITIZEN, readable) == granted(readable)
    secret = (flow, topics.changes("population.thing"), topics.disclosures)
    assert await users.reads(rights.CITIZEN, secret) == refused(secret)
    forbidden = (topics.register, topics.lane_state, flow)
    assert await users.writes(rights.CITIZEN, forbidden) == refused(forbidden)


async def test_operator_and_schema_registry(users: Users) -> None:
    """An operator sees no record of a person, and the schema registry nothing but schemas."""
    topics = users.topics
    flow, changes = topics.agency("bank", "x", 1), topics.changes("population.thing")
    letters = (topics.deadletters, topics.deadletters_of("land"))
    personal = (flow, changes, topics.consents, topics.lane_state, *letters)
    assert await users.reads(rights.OPERATOR, personal) == refused(personal)
    assert await users.reads(rights.OPERATOR, [topics.register]) == granted([topics.register])
    assert await users.writes(rights.OPERATOR, [topics.register]) == refused([topics.register])
    assert await users.writes(rights.SCHEMA_REGISTRY, [topics.schemas]) == granted([topics.schemas])
    others = (*personal, topics.register)
    assert await users.reads(rights.SCHEMA_REGISTRY, others) == refused(others)


async def test_custodian(users: Users) -> None:
    """Who looks after dead letters reads those and gives orders, and sees no other record of a person."""
    topics = users.topics
    flow, changes = topics.agency("bank", "x", 1), topics.changes("population.thing")
    assert await users.writes(rights.CUSTODIAN, [topics.commands]) == granted([topics.commands])
    letters = (topics.deadletters, topics.deadletters_of("land"))
    assert await users.writes(ADMIN, letters) == granted(letters)
    seen = (*letters, topics.register)
    assert await users.reads(rights.CUSTODIAN, seen) == granted(seen)
    hidden = (flow, changes, topics.consents, topics.lane_state)
    assert await users.reads(rights.CUSTODIAN, hidden) == refused(hidden)
    own = (*letters, topics.register, topics.status)
    assert await users.writes(rights.CUSTODIAN, own) == refused(own)


async def test_previewer(users: Users) -> None:
    """Who previews an agreement reads what a lane holds, and writes nowhere."""
    topics = users.topics
    flow, changes = topics.agency("bank", "x", 1), topics.changes("population.thing")
    seen = (topics.register, topics.lane_state, changes)
    assert await users.writes(ADMIN, [topics.lane_state]) == granted([topics.lane_state])
    assert await users.reads(rights.PREVIEWER, seen) == granted(seen)
    everything = (*seen, flow, topics.consents, topics.disclosures, topics.commands, topics.status)
    assert await users.writes(rights.PREVIEWER, everything) == refused(everything)


async def test_two_buses_on_one_kafka(identities: KafkaAccess, prefix: str, tmp_path: Path) -> None:
    """Each has users of its own: one that is laid, cleared or comes from another home changes nothing of the other."""
    one, other = (Grounds(identities, Topics(f"{prefix}{n}.", 1), Home(tmp_path / n)) for n in ("one", "other"))
    for grounds in (one, other):
        await grounds.lay()
    name = one.topics.user(rights.CITIZEN)
    first = identities.as_user(name, Home(tmp_path / "one").secret(f"users/{rights.CITIZEN}"))
    before = await one.admin.rights_of(name)
    with pytest.raises(UserTaken, match=name):
        await Grounds(identities, one.topics, Home(tmp_path / "third")).lay()
    await other.clear()
    await require_known(first)
    assert before == {replace(right, user=name) for right in rights.citizen_rights(one.topics)}
    assert await one.admin.rights_of(name) == before
    await one.clear()
    assert await one.admin.users_with_rights(prefix) == []
    assert await one.admin.users([name]) == {}
    assert not [topic for topic in await one.admin.topics() if topic.startswith(prefix)]


async def test_nobody(users: Users) -> None:
    """A wrong password reaches nothing."""
    known = users.access["agency-bank"]
    assert known.username is not None
    stranger = Users(users.topics, {"stranger": known.as_user(known.username, "guessed")})
    with pytest.raises(KafkaConnectionError):
        await stranger.read("stranger", users.topics.agency("bank", "x", 1))
