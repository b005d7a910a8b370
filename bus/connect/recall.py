"""What a connector recalls at its start, from what it has committed: where it stands, and what it has published."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bus.avro.access import RegistryAccess
from bus.avro.own import OwnMessages
from bus.connect.known import Known, digest
from bus.connect.publish import Contract, epoch_of
from bus.connect.standing import Standing, from_message
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place
from bus.kafka.whole import whole
from bus.model.key import RecordKey
from bus.topics import Topics


@dataclass(frozen=True, slots=True)
class Reach:
    """How a connector reaches the bus."""

    access: KafkaAccess
    registry: RegistryAccess
    topics: Topics
    transaction_timeout_ms: int = 10_000


async def read_standing(reach: Reach, own: OwnMessages, connector: str) -> Standing | None:
    """The committed standing of a connector; None when it has never run.

    All connectors write into one partition, and what is committed in it behind the beginning of an open transaction
    cannot be read yet. So the transactions of others that are open now are waited for: they end, or time out.
    """
    found = (await read_standings(reach, own, wait=True)).get(connector)
    return found and found[0]


async def read_standings(reach: Reach, own: OwnMessages, *, wait: bool = False) -> dict[str, tuple[Standing, int]]:
    """The committed standing of every connector, and when it was written (ms); without `wait`, as far as it is told."""
    newest: dict[bytes, bytes] = {}
    async for records in whole(reach.access, [Place(reach.topics.positions, 0)], wait=wait):
        for record in records:
            if record.key is not None and record.value is not None:
                newest[record.key] = record.value
            elif record.key is not None:
                newest.pop(record.key, None)  # a connector that was removed
    messages = {key.decode(): await own.decode(value) for key, value in newest.items()}
    return {name: (from_message(message), message["at"]) for name, message in messages.items()}


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
    for key, seen in live.items():  # only now: a record that moved between lanes is met in any order
        known.recover(dataset, _key(key, contract), seen)


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
    return [_key(key, contract) for key in old]


def _key(key: bytes, contract: Contract) -> RecordKey:
    return RecordKey.decode(key, has_subject=contract.mapper.dataset.subject is not None)


def _places(topics: Topics, dataset: str) -> list[Place]:
    return [Place(topics.changes(dataset), lane) for lane in range(topics.lanes)]
