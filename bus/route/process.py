"""The router as a process: a member that learns its lanes, and a task for each of them."""

import asyncio
import contextlib
import signal

from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.errors import BusError, CommitUncertain, Fenced
from bus.kafka.access import KafkaAccess
from bus.kafka.ends import Ends
from bus.kafka.lanes import LaneMember
from bus.kafka.log import LogWriter, Place, Reader
from bus.kafka.pump import Pump
from bus.kafka.rights import ROUTER, router_group
from bus.model.keyring import KeyRing, RootKey
from bus.platform.home import Home
from bus.platform.reach import kafka_access, schema_registry_url
from bus.register.log import Register, RegisterWriter
from bus.route.report import Reporter
from bus.route.rules import RuleBook
from bus.route.runner import Lane, Parts, Schemas
from bus.route.takeover import TakeOver
from bus.settings import KafkaSettings, RouteSettings, Settings
from bus.telemetry import Event, configure, emit
from bus.topics import PSEUDONYMOUS_PARTITIONS, Topics

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0


class Router:
    """All lanes that this process owns, each served by a task that starts anew after a failure."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._lanes: dict[int, Lane] = {}
        self._given_up: set[int] = set()
        self._owning = asyncio.Event()

    async def got(self, lanes: frozenset[int]) -> None:
        """Serve these lanes."""
        for lane in lanes - self._tasks.keys():
            self._given_up.discard(lane)
            self._lanes[lane] = Lane(lane, self._parts)
            self._tasks[lane] = asyncio.create_task(self._serve(lane), name=f"lane-{lane}")
        self._owning.set()

    async def gave_up(self, lanes: frozenset[int]) -> None:
        """End these lanes in order: each finishes its transaction."""
        self._given_up |= lanes
        tasks = [self._tasks.pop(lane) for lane in lanes if lane in self._tasks]
        for lane in lanes:
            if lane in self._lanes:
                self._lanes[lane].stop()
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=self._parts.settings.transaction_timeout_ms / 1000)
            for task in unfinished:
                task.cancel()  # the fence of the next owner keeps it from doing harm

    async def stop(self) -> None:
        """End every lane in order."""
        await self.gave_up(frozenset(self._tasks))

    def lanes(self) -> list[Lane]:
        """The lanes that this process serves now."""
        return list(self._lanes.values())

    def wake(self) -> None:
        """Tell every lane that there may be news."""
        for lane in self._lanes.values():
            lane.wake()

    async def serving(self) -> None:
        """Wait until this process owns lanes and each of them serves."""
        await self._owning.wait()
        for lane in list(self._lanes.values()):
            await lane.serving.wait()

    async def _serve(self, lane: int) -> None:
        pause = FIRST_PAUSE_SECONDS
        while lane not in self._given_up:
            serving = self._lanes[lane]
            try:
                await serving.run()
            except Exception as error:  # noqa: BLE001 - whatever it was, a lane starts anew and says so
                if serving.report.transactions:
                    pause = FIRST_PAUSE_SECONDS
                _report(lane, error, pause)
                await asyncio.sleep(pause)
                self._lanes[lane] = Lane(lane, self._parts, restarts=serving.report.restarts + 1)
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
        self._lanes.pop(lane, None)


def _report(lane: int, error: Exception, pause: float) -> None:
    known = isinstance(error, BusError)
    told = str(error) if known else type(error).__name__  # a foreign error's text may quote a value
    expected = isinstance(error, CommitUncertain | Fenced)
    emit(Event.LANE_FAILED, lane=lane, error=told, expected=expected, again_in_seconds=pause)


async def serve(settings: Settings, *, instance: str = "route") -> None:
    """Run the router until SIGTERM or SIGINT."""
    configure(instance)
    home = Home.from_settings(settings)
    access = kafka_access(settings, KafkaSettings(), home, ROUTER)
    topics = Topics(settings.prefix, settings.lanes)
    async with contextlib.AsyncExitStack() as closing:
        client = SchemaRegistryClient(schema_registry_url(settings, home))
        closing.push_async_callback(client.close)
        parts = await _parts(access, topics, client, home, closing)
        router = Router(parts)
        member = LaneMember(
            access,
            topic=topics.consents,
            group=router_group(topics),
            instance=instance,
            session_timeout_ms=parts.settings.session_timeout_ms,
            got=router.got,
            gave_up=router.gave_up,
        )
        closing.push_async_callback(member.stop)
        await member.start()
        reporter = Reporter(LogWriter(access), topics, parts.messages, instance=instance, commit=member.commit)
        closing.push_async_callback(reporter.stop)
        await reporter.start(router.lanes)
        closing.push_async_callback(router.stop)
        writer = RegisterWriter(access, topics, parts.messages)
        closing.push_async_callback(writer.stop)
        await writer.start()
        take_over = TakeOver(parts.register, writer, by=instance)
        await _until_told(router, member, take_over, parts, home, instance)


async def _parts(
    access: KafkaAccess, topics: Topics, client: SchemaRegistryClient, home: Home, closing: contextlib.AsyncExitStack
) -> Parts:
    messages = OwnMessages(client)
    await messages.prepare()
    register = Register(access, topics, messages)
    closing.push_async_callback(register.stop)
    await register.start()
    ends = Ends(Reader(access, committed=False))
    closing.push_async_callback(ends.stop)
    await ends.start()
    keyring = KeyRing(RootKey(home.root_key()))
    return Parts(
        access=access,
        topics=topics,
        settings=RouteSettings(),
        keyring=keyring,
        messages=messages,
        schemas=Schemas(client),
        register=register,
        book=RuleBook(keyring, lanes=topics.lanes, pseudonymous_partitions=PSEUDONYMOUS_PARTITIONS),
        ends=ends,
    )


async def _until_told(  # noqa: PLR0913, PLR0917 - what runs side by side
    router: Router, member: LaneMember, take_over: TakeOver, parts: Parts, home: Home, instance: str
) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    tasks = {
        asyncio.create_task(member.run(), name="member"),
        asyncio.create_task(_wake_on_facts(router, take_over, parts), name="register"),
        asyncio.create_task(take_over.run(), name="take-over"),
        asyncio.create_task(_announce(router, home, instance), name="announce"),
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


async def _announce(router: Router, home: Home, instance: str) -> None:
    await router.serving()
    home.announce(instance)
    emit(Event.PROCESS_STARTED)


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
