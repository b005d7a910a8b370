"""What a connector recalls at its start, from what it has committed: where it stands, and what it has published."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bus.avro.access import RegistryAccess
from bus.avro.own import OwnMessages
from bus.connect.known import Known, digest
from bus.connect.publish import Contract, epoch_of
from bus.connect.standing import Standing, from_message
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.log import Place
from bus.kafka.transactions import TransactionalWriter
from bus.kafka.whole import whole
from bus.model.key import RecordKey
from bus.model.record import Outgoing
from bus.topics import Topics


@dataclass(frozen=True, slots=True)
class Reach:
    """How a connector reaches the bus."""

    access: KafkaAccess
    registry: RegistryAccess
    topics: Topics
    transaction_timeout_ms: int = 10_000


async def read_standing(reach: Reach, own: OwnMessages, connector: str) -> Standing | None:
    """The committed standing of a connector, from the topic that it alone may write; None when there is none in it."""
    topic = reach.topics.positions(connector)
    value = (await _newest(reach, [topic], wait=True)).get((topic, connector))
    return None if value is None else from_message(await own.decode(value))


async def take_over(reach: Reach, own: OwnMessages, writer: TransactionalWriter, connector: str) -> Standing | None:
    """Bring a standing from the topic that connectors shared into the connector's own; None when it never ran.

    All connectors wrote into one partition, and what is committed in it behind the beginning of an open transaction
    cannot be read yet. So the transactions of others that are open now are waited for: they end, or time out.
    """
    shared = reach.topics.shared_positions
    if shared not in await Admin(reach.access).topics():
        return None
    value = (await _newest(reach, [shared], wait=True)).get((shared, connector))
    if value is None:
        return None
    standing = from_message(await own.decode(value))
    await writer.commit([Outgoing(reach.topics.positions(connector), 0, connector.encode(), value)])
    return standing


async def read_standings(reach: Reach, own: OwnMessages, *, wait: bool = False) -> dict[str, tuple[Standing, int]]:
    """The committed standing of every connector, and when it was written (ms); without `wait`, as far as it is told.

    What is none, for any connector may once have written into the topic that they shared, is passed over.
    """
    topics, there = reach.topics, await Admin(reach.access).topics()
    listed = [one for one in there if one == topics.shared_positions or one.startswith(topics.positions_prefix)]
    newest = await _newest(reach, listed, wait=wait)
    values = {name: value for (topic, name), value in newest.items() if topic == topics.shared_positions}
    values |= {name: value for (topic, name), value in newest.items() if topic == topics.positions(name)}
    found: dict[str, tuple[Standing, int]] = {}
    for name, value in values.items():
        with contextlib.suppress(RecordUnreadable, SchemaUnknown, KeyError, TypeError, ValueError):
            message = await own.decode(value)
            if message["connector"] == name:
                found[name] = from_message(message), message["at"]
    return found


async def _newest(reach: Reach, topics: Iterable[str], *, wait: bool) -> dict[tuple[str, str], bytes]:
    """The newest value under each (topic, key); a connector that was removed has none."""
    newest: dict[tuple[str, str], bytes] = {}
    async for records in whole(reach.access, [Place(topic, 0) for topic in topics], wait=wait):
        for record in records:
            place = record.topic, (record.key or b"").decode("utf-8", "replace")
            if record.value is None:
                newest.pop(place, None)
            else:
                newest[place] = record.value
    return newest


async def read_known(reach: Reach, dataset: str, contract: Contract, known: Known) -> None:
    """Recover what is published of a dataset, whose records are then keyed and compared by it.

    What was missed here would stay when it is gone. It may be of another connector that published the dataset before.
    """
    live: dict[bytes, bytes] = {}
    async for records in whole(reach.access, _places(reach.topics, dataset)):
        for record in records:
            if record.key is not None and record.value is not None:
                live[record.key] = digest(record.value)
            elif record.key is not None:
                live.pop(record.key, None)
    for key, name in _named(live, contract):  # only now: a record that moved between lanes is met in any order
        known.recover(dataset, name, live[key])


async def read_epoch(reach: Reach, datasets: Iterable[str]) -> int:
    """The newest epoch in which anything of these datasets was published; 0 where nothing was.

    A connector that was removed and came back must not give its ids again, and what vanished meanwhile is older.
    """
    places = [place for dataset in datasets for place in _places(reach.topics, dataset)]
    newest = 0
    async for records in whole(reach.access, places):
        newest = max([newest, *(epoch_of(record.header("ce_id")) for record in records)])
    return newest


async def read_stale(
    reach: Reach, dataset: str, contract: Contract, standing: Standing, written: Mapping[Place, int]
) -> list[RecordKey]:
    """The live records of a dataset that were last published before the connector's epoch began.

    So is what another connector published, from which the dataset came over: that one counts its epochs for itself.
    What was read anew and cannot be seen yet would be taken for gone. `written` are offsets of what is known to be
    committed.
    """
    old, own = dict[bytes, None](), f"{standing.connector}."
    async for records in whole(reach.access, _places(reach.topics, dataset), known=written):
        for record in records:
            ce_id = record.header("ce_id") or ""
            fresh = ce_id.startswith(own) and epoch_of(ce_id) >= standing.epoch
            if record.key is not None and record.value is not None and not fresh:
                old[record.key] = None
            elif record.key is not None:
                old.pop(record.key, None)
    return [name for _, name in _named(old, contract)]


def _named(keys: Iterable[bytes], contract: Contract) -> Iterator[tuple[bytes, RecordKey]]:
    """What each key names; one that names nothing is no connector's, and lies in `deadletters` by now."""
    for key in keys:
        with contextlib.suppress(ValueError):
            yield key, RecordKey.decode(key, has_subject=contract.mapper.dataset.subject is not None)


def _places(topics: Topics, dataset: str) -> list[Place]:
    return [Place(topics.changes(dataset), lane) for lane in range(topics.lanes)]
