"""What all lanes of a process share."""

from dataclasses import dataclass
from pathlib import Path

from bus.avro.own import OwnMessages
from bus.kafka.access import KafkaAccess
from bus.kafka.ends import Ends
from bus.model.keyring import KeyRing
from bus.register.log import Register
from bus.route.identity import Identities
from bus.route.rules import RuleBook
from bus.route.schemas import Schemas
from bus.route.share import CatchUp
from bus.settings import RouteSettings
from bus.topics import Topics


@dataclass(frozen=True, slots=True)
class Parts:
    """What all lanes of a process share."""

    access: KafkaAccess
    topics: Topics
    settings: RouteSettings
    keyring: KeyRing
    messages: OwnMessages
    schemas: Schemas
    register: Register
    book: RuleBook
    ends: Ends
    identities: Identities
    share: CatchUp
    stores: Path
    """The folder of what lanes keep on this machine's disk."""
