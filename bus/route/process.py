"""The router as a process: a member that learns its lanes, and a task for each of them."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Awaitable, Callable

from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.ends import Ends
from bus.kafka.fetching import Fetching
from bus.kafka.lanes import LaneMember
from bus.kafka.log import LogWriter, Place
from bus.kafka.pump import Pump
from bus.kafka.rights import ROUTER, router_group
from bus.platform.home import Home
from bus.platform.reach import kafka_access
from bus.platform.salts import Salts
from bus.register.log import Register, RegisterWriter
from bus.route.drift import Drifts
from bus.route.identity import Identities
from bus.route.parts import Parts
from bus.route.report import Reporter, Teller
from bus.route.room import check_room
from bus.route.router import Router
from bus.route.rules import RuleBook
from bus.route.schemas import Schemas
from bus.route.share import CatchUp
from bus.route.store.shelf import sweep
from bus.route.takeover import TakeOver
from bus.settings import KafkaSettings, RouteSettings, Settings
from bus.telemetry import Event, configure, emit
from bus.telemetry.loop import LoopWatch
from bus.topics import PSEUDONYMOUS_PARTITIONS, Topics

LOOKED_EVERY_SECONDS = 0.1
TOPICS_LOOKED_EVERY_SECONDS = 5.0

LAST_WORD_SECONDS = 1.0
"""That a member leaves is said within milliseconds; a broker that hangs never answers."""

COLLECT_AFTER = 300_000
"""Values made and not yet freed before Python looks for cycles among them: more than a batch of every lane makes."""


async def serve(settings: Settings, *, instance: str = "route") -> None:
    """Run the router until SIGTERM or SIGINT.

    Raises RootKeyMissing, RootKeyWrong and TopicTooNarrow at its start, TwoOfOneName and LaneKeepsFailing when a lane
    fails for good, TopicReplaced.
    """
    configure(instance)
    home = Home.from_settings(settings)
    access = kafka_access(settings, KafkaSettings(), home, ROUTER)
    topics = Topics(settings.prefix, settings.lanes)
    async with contextlib.AsyncExitStack() as closing:
        client = SchemaRegistryClient.from_settings(settings, home)
        closing.push_async_callback(client.close)
        parts = await _parts(access, topics, client, home, closing)
        admin = Admin(access)
        await check_room(admin, topics, parts.register.state.datasets)
        collect_seldom()  # before there are lanes, for it holds the loop up
        router = Router(parts)
        member = LaneMember(
            access,
            topic=topics.consents,
            group=router_group(topics),
            instance=instance,
            session_timeout_ms=parts.settings.session_timeout_ms,
            heartbeat_ms=parts.settings.heartbeat_ms,
            got=router.got,
            gave_up=router.gave_up,
        )
        closing.push_async_callback(in_time, member.stop)
        await member.start()
        watch = await closing.enter_async_context(LoopWatch())
        teller = Teller(topics, parts.messages, instance, watch)
        reporter = Reporter(LogWriter(access), teller, commit=member.commit)
        closing.push_async_callback(reporter.stop)
        await reporter.start(router.lanes)
        closing.push_async_callback(router.stop)
        writer = RegisterWriter(access, topics, parts.messages)
        closing.push_async_callback(writer.stop)
        await writer.start()
        take_over = TakeOver(parts.register, writer, by=instance)
        drifts = Drifts(admin, topics, parts.register)
        await _until_told(router, member, take_over, drifts, parts, home, instance)


async def in_time(stop: Callable[[], Awaitable[None]]) -> None:
    """Stop, or be cut off: as after a kill, no promise depends on it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORD_SECONDS):
            await stop()


async def _parts(
    access: KafkaAccess, topics: Topics, client: SchemaRegistryClient, home: Home, closing: contextlib.AsyncExitStack
) -> Parts:
    messages = OwnMessages(client)
    await messages.prepare()
    register = Register(access, topics, messages)
    closing.push_async_callback(in_time, register.stop)
    await register.start()
    ends = Ends(Fetching(access, committed=False))
    closing.push_async_callback(in_time, ends.stop)
    await ends.start()
    settings = RouteSettings()
    keyring = Salts(home).keyring(register.state.root_check)
    stores = home.data / "route" if settings.store is None else settings.store.expanduser().absolute()
    await asyncio.to_thread(sweep, stores)
    return Parts(
        access=access,
        topics=topics,
        settings=settings,
        keyring=keyring,
        messages=messages,
        schemas=Schemas(client),
        register=register,
        book=RuleBook(keyring, lanes=topics.lanes, pseudonymous_partitions=PSEUDONYMOUS_PARTITIONS),
        ends=ends,
        identities=Identities(Admin(access)),
        share=CatchUp(most=settings.batch_records),
        stores=stores,
    )


async def _until_told(  # noqa: PLR0913, PLR0917 - what runs side by side
    router: Router,
    member: LaneMember,
    take_over: TakeOver,
    drifts: Drifts,
    parts: Parts,
    home: Home,
    instance: str,
) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    tasks = {
        asyncio.create_task(member.run(), name="member"),
        asyncio.create_task(_wake_on_facts(router, take_over, parts), name="register"),
        asyncio.create_task(take_over.run(), name="take-over"),
        asyncio.create_task(_same_topics(router, parts), name="topics"),
        asyncio.create_task(drifts.run(), name="drifts"),
        asyncio.create_task(_announce(router, home, instance), name="announce"),
        asyncio.create_task(router.failed(), name="failed"),
        asyncio.create_task(told.wait(), name="told"),
    }
    try:
        while not told.is_set():
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            tasks -= done
            for task in done:
                task.result()
        emit(Event.PROCESS_STOPPING)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def collect_seldom() -> None:
    """Look for cycles seldom: a batch makes many thousand values that live until it is committed, and none are cycles.

    As it comes Python looks through them all again and again: a fifth of the router's time when lanes hold much.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 50)


async def _announce(router: Router, home: Home, instance: str) -> None:
    """Say when all lanes serve; until then how far they have come, so that nobody takes a long start for a dead one."""
    while not router.serves_all():
        home.tell_coming(instance, f"{sum(lane.loaded for lane in router.lanes()):,} records read back")
        await asyncio.sleep(LOOKED_EVERY_SECONDS)
    home.announce(instance)
    emit(Event.PROCESS_STARTED)


async def _same_topics(router: Router, parts: Parts) -> None:
    """Look now and then whether topics are still those that are being read. Raises TopicReplaced."""
    while True:
        await asyncio.sleep(TOPICS_LOOKED_EVERY_SECONDS)
        await parts.identities.look({topic: known for lane in router.lanes() for topic, known in lane.topics.items()})


async def _wake_on_facts(router: Router, take_over: TakeOver, parts: Parts) -> None:
    """A fact must reach lanes that rest, and may name a day to wait for."""
    news = asyncio.Event()
    place = Place(parts.topics.register, 0)
    pump = Pump(parts.access, news, committed=False)
    await pump.start({place: parts.register.state.offset})
    try:
        while True:
            await news.wait()
            news.clear()
            pump.take(len(pump))
            router.wake()
            take_over.wake()
    finally:
        await pump.stop()
