"""Who may do what on Kafka: a pure function of what each user is. A user can do what its stage does, nothing more."""

from dataclasses import dataclass
from enum import StrEnum

from bus.topics import Topics


class Resource(StrEnum):
    """What a right is about."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"
    CLUSTER = "cluster"


class Pattern(StrEnum):
    """Whether a right names one thing, or all whose names begin so."""

    LITERAL = "literal"
    PREFIXED = "prefixed"


@dataclass(frozen=True, slots=True)
class Right:
    """`user` may do `operation` (READ, WRITE, DESCRIBE) to what `name` names.

    A user has the name that the bus gives it; on a Kafka it is `Topics.user` of that.
    """

    user: str
    operation: str
    resource: Resource
    pattern: Pattern
    name: str


ROUTER = "route"
SCHEMA_REGISTRY = "schema-registry"
CITIZEN = "citizen"
OPERATOR = "operator"
CUSTODIAN = "custodian"
PREVIEWER = "previewer"


def connector_user(connector: str) -> str:
    """The Kafka user of a connector."""
    return f"connector-{connector}"


def agency_user(agency: str) -> str:
    """The Kafka user of an agency."""
    return f"agency-{agency}"


def router_group(topics: Topics) -> str:
    """The router's consumer group, also the stem of its transactional ids."""
    return f"{topics.prefix}router"


def connector_transactional_id(topics: Topics, connector: str) -> str:
    """The one id under which a connector writes: a second run of it fences the first."""
    return f"{topics.prefix}connector-{connector}"


def router_rights(topics: Topics) -> list[Right]:
    """The router reads the inputs of a lane and writes its outputs; in the register, that a text's day has come.

    All else that it might write there is refused by everybody, for it has no key.
    """
    group = router_group(topics)
    return [
        *_read(ROUTER, topics.changes_prefix, Pattern.PREFIXED),
        *(
            right
            for topic in (topics.consents, topics.register, topics.commands, topics.lane_state, topics.deadletters)
            for right in _read(ROUTER, topic)
        ),
        *_write(ROUTER, f"{topics.prefix}agency.", Pattern.PREFIXED),
        *(
            right
            for topic in (topics.lane_state, topics.disclosures, topics.deadletters, topics.status, topics.register)
            for right in _write(ROUTER, topic)
        ),
        *_transactions(ROUTER, f"{group}-", Pattern.PREFIXED),
        Right(ROUTER, "READ", Resource.GROUP, Pattern.LITERAL, group),
        # It makes sure that whatever may come finds room among the dead letters, and tells of topics set otherwise.
        *(
            Right(ROUTER, "DESCRIBE_CONFIGS", Resource.TOPIC, Pattern.PREFIXED, prefix)
            for prefix in (topics.changes_prefix, f"{topics.prefix}agency.")
        ),
        *(Right(ROUTER, "DESCRIBE_CONFIGS", Resource.TOPIC, Pattern.LITERAL, one.name) for one in topics.of_lanes()),
    ]


def connector_rights(topics: Topics, connector: str, registry: str) -> list[Right]:
    """A connector writes its own registry's datasets and its own topics, and nothing that is another connector's."""
    user = connector_user(connector)
    own = f"{topics.changes_prefix}{registry}."
    return [
        *_write(user, own, Pattern.PREFIXED),
        *_read(user, own, Pattern.PREFIXED),  # where a source cannot tell the old key, the kit reads back its own
        *_read(user, topics.positions(connector)),
        *_write(user, topics.positions(connector)),
        *_write(user, topics.deadletters_of(connector)),
        *_read(user, topics.commands),
        *_transactions(user, connector_transactional_id(topics, connector)),
    ]


def former_connector_rights(topics: Topics, connector: str) -> list[Right]:
    """What a connector could write as long as connectors shared topics, and must no more. It may still read there."""
    user, shared = connector_user(connector), (topics.shared_positions, topics.deadletters, topics.status)
    return [Right(user, "WRITE", Resource.TOPIC, Pattern.LITERAL, topic) for topic in shared]


def schema_registry_rights(topics: Topics) -> list[Right]:
    """The schema registry keeps its one topic."""
    return [*_read(SCHEMA_REGISTRY, topics.schemas), *_write(SCHEMA_REGISTRY, topics.schemas)]


def citizen_rights(topics: Topics) -> list[Right]:
    """The consent API appends consents, and reads what tells a citizen where they stand."""
    return [
        *_write(CITIZEN, topics.consents),
        *(right for topic in (topics.consents, topics.register, topics.lane_state) for right in _read(CITIZEN, topic)),
    ]


def agency_rights(topics: Topics, agency: str) -> list[Right]:
    """An agency reads what was released to it, with consumer groups of its own; it writes nothing."""
    user = agency_user(agency)
    own = topics.agency_prefix(agency)
    return [
        *_read(user, own, Pattern.PREFIXED),
        Right(user, "READ", Resource.GROUP, Pattern.PREFIXED, own),
    ]


def operator_rights(topics: Topics) -> list[Right]:
    """An operator sees how the bus fares, and never a released record."""
    seen = (topics.register, topics.schemas, topics.disclosures, topics.status)
    return [
        *(right for topic in seen for right in _read(OPERATOR, topic)),
        *_read(OPERATOR, topics.positions_prefix, Pattern.PREFIXED),
        *_write(OPERATOR, topics.commands),
        # How long they are, which tells of a lane's lag, and not what is in them.
        Right(OPERATOR, "DESCRIBE", Resource.TOPIC, Pattern.PREFIXED, topics.changes_prefix),
        Right(OPERATOR, "DESCRIBE", Resource.TOPIC, Pattern.LITERAL, topics.consents),
        Right(OPERATOR, "DESCRIBE", Resource.GROUP, Pattern.LITERAL, router_group(topics)),
    ]


def custodian_rights(topics: Topics) -> list[Right]:
    """Who looks after dead letters reads them, personal as they may be, and orders what is to become of them."""
    seen = (topics.deadletters, topics.register, topics.status)
    return [
        *(right for topic in seen for right in _read(CUSTODIAN, topic)),
        *_read(CUSTODIAN, topics.deadletters_prefix, Pattern.PREFIXED),
        *_write(CUSTODIAN, topics.commands),
    ]


def previewer_rights(topics: Topics) -> list[Right]:
    """A preview reads what a lane holds, personal as it is, and writes nothing at all."""
    return [
        *_read(PREVIEWER, topics.changes_prefix, Pattern.PREFIXED),
        *(right for topic in (topics.lane_state, topics.register) for right in _read(PREVIEWER, topic)),
    ]


def _read(user: str, topic: str, pattern: Pattern = Pattern.LITERAL) -> list[Right]:
    return [Right(user, word, Resource.TOPIC, pattern, topic) for word in ("READ", "DESCRIBE")]


def _write(user: str, topic: str, pattern: Pattern = Pattern.LITERAL) -> list[Right]:
    return [Right(user, word, Resource.TOPIC, pattern, topic) for word in ("WRITE", "DESCRIBE")]


def _transactions(user: str, name: str, pattern: Pattern = Pattern.LITERAL) -> list[Right]:
    return [Right(user, word, Resource.TRANSACTIONAL_ID, pattern, name) for word in ("WRITE", "DESCRIBE")]
