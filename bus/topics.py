"""The names and settings of every topic: nothing else spells them.

Kafka's defaults would not erase: the active segment is never cleaned and the compaction lag is unbounded. So each
compacted topic rolls its segments and bounds the lag. `bus up` refuses a topic whose settings have drifted, on the
local Kafka it sets it back, and a router tells of it.
"""

from dataclasses import dataclass

DAY_MS = 86_400_000
LONGEST_ABSENCE_MS = 30 * DAY_MS
"""A consumer that was away for less still meets every tombstone."""

PSEUDONYMOUS_PARTITIONS = 8
"""A pseudonymous flow is spread by pseudonym, so that its partition says nothing of the lane."""

LARGEST_RECORD = "max.message.bytes"
MAX_RECORD_BYTES = 1_048_576
"""The largest record of a source topic; a topic of dead letters takes twice that, so that it never refuses one."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it must be. `config` are Kafka topic settings, as text."""

    name: str
    partitions: int
    config: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one bus. `prefix` stands before every name; `lanes` is P, fixed when the bus is founded."""

    prefix: str
    lanes: int

    def user(self, name: str) -> str:
        """The Kafka user of a stage, a connector or an agency: no other bus on the same Kafka has one of that name."""
        return f"{self.prefix}{name}"

    @property
    def register(self) -> str:
        """Facts; partition 0; kept for ever."""
        return f"{self.prefix}register"

    @property
    def schemas(self) -> str:
        """Avro schemas; partition 0; kept for ever."""
        return f"{self.prefix}schemas"

    @property
    def positions_prefix(self) -> str:
        """What every topic of positions begins with."""
        return f"{self.prefix}positions."

    def positions(self, connector: str) -> str:
        """Where a connector stands, which nobody else may say; partition 0; compacted."""
        return f"{self.positions_prefix}{connector}"

    @property
    def shared_positions(self) -> str:
        """Where all connectors stood before each had a topic of its own; only a bus of that time has it."""
        return f"{self.prefix}positions"

    @property
    def consents(self) -> str:
        """Consent events, by lane; never compacted."""
        return f"{self.prefix}consents"

    @property
    def lane_state(self) -> str:
        """Position, consents and holdings of each lane; compacted."""
        return f"{self.prefix}lane-state"

    @property
    def disclosures(self) -> str:
        """Blocks of releases and erasures, by lane."""
        return f"{self.prefix}disclosures"

    @property
    def deadletters(self) -> str:
        """Changes that the router could not read, untouched; what connectors set aside before each had its own."""
        return f"{self.prefix}deadletters"

    @property
    def deadletters_prefix(self) -> str:
        """What every topic of a connector's dead letters begins with."""
        return f"{self.prefix}deadletters."

    def deadletters_of(self, connector: str) -> str:
        """Rows that a connector could make no change of, untouched."""
        return f"{self.deadletters_prefix}{connector}"

    def set_aside_by(self, topic: str) -> str:
        """The connector whose dead letters lie in a topic; empty for `deadletters` itself."""
        return topic.removeprefix(self.deadletters).removeprefix(".")

    @property
    def commands(self) -> str:
        """One-shot orders."""
        return f"{self.prefix}commands"

    @property
    def status(self) -> str:
        """What each process is and how it fares; compacted."""
        return f"{self.prefix}status"

    @property
    def changes_prefix(self) -> str:
        """What every changes topic begins with."""
        return f"{self.prefix}changes."

    def changes(self, dataset: str) -> str:
        """The topic of a dataset, `population.person`."""
        return f"{self.changes_prefix}{dataset}"

    def agency_prefix(self, agency: str) -> str:
        """What every topic of an agency begins with: its rights."""
        return f"{self.prefix}agency.{agency}."

    def agency(self, agency: str, agreement: str, major: int) -> str:
        """The topic of one agreement."""
        return f"{self.agency_prefix(agency)}{agreement}.v{major}"

    def recipient(self, topic: str) -> str:
        """The agency whose topic it is."""
        return topic.removeprefix(f"{self.prefix}agency.").partition(".")[0]

    def founding(self) -> tuple[TopicSpec, ...]:
        """The topics that every bus has from its first moment."""
        return (
            TopicSpec(self.register, 1, DATED_BY_THE_BROKER),
            TopicSpec(self.schemas, 1, FOR_EVER),
            TopicSpec(self.consents, self.lanes, FOR_EVER),
            TopicSpec(self.lane_state, self.lanes, COMPACTED),
            TopicSpec(self.disclosures, self.lanes, FOR_EVER),
            TopicSpec(self.deadletters, self.lanes, LONG_AND_LARGE),
            TopicSpec(self.commands, self.lanes, DAYS),
            TopicSpec(self.status, 1, COMPACTED),
        )

    def of_lanes(self) -> tuple[TopicSpec, ...]:
        """Those of the founding topics that the router reads or writes."""
        return tuple(spec for spec in self.founding() if spec.name != self.schemas)

    def connector_specs(self, connector: str) -> tuple[TopicSpec, ...]:
        """The topics that a connector has for itself."""
        return (
            TopicSpec(self.positions(connector), 1, COMPACTED),
            TopicSpec(self.deadletters_of(connector), self.lanes, LONG_AND_LARGE),
        )

    def changes_spec(self, dataset: str) -> TopicSpec:
        """A dataset's topic as it must be."""
        return TopicSpec(self.changes(dataset), self.lanes, COMPACTED)

    def agency_spec(self, topic: str, *, pseudonymous: bool) -> TopicSpec:
        """An agreement's topic as it must be."""
        if pseudonymous:
            return TopicSpec(topic, PSEUDONYMOUS_PARTITIONS, COMPACTED_BY_DAY)
        return TopicSpec(topic, self.lanes, COMPACTED)


def _compacted(segment_ms: int) -> tuple[tuple[str, str], ...]:
    return _config(
        cleanup_policy="compact",
        min_compaction_lag_ms=0,
        max_compaction_lag_ms=DAY_MS,
        segment_ms=segment_ms,
        delete_retention_ms=LONGEST_ABSENCE_MS,
    )


def _config(**settings: str | int) -> tuple[tuple[str, str], ...]:
    named = {name.replace("_", "."): str(value) for name, value in settings.items()}
    return tuple(
        sorted({LARGEST_RECORD: str(MAX_RECORD_BYTES), "message.timestamp.type": "CreateTime", **named}.items())
    )


COMPACTED = _compacted(DAY_MS)
COMPACTED_BY_DAY = _compacted(DAY_MS // 2)
"""For records that tell times in steps of a day: a segment ends where a record is later than its first by more than
this, and of two such records the later one is so by a day, which is not more than a day."""

FOR_EVER = _config(cleanup_policy="delete", retention_ms=-1, retention_bytes=-1)
DATED_BY_THE_BROKER = _config(
    cleanup_policy="delete", retention_ms=-1, retention_bytes=-1, message_timestamp_type="LogAppendTime"
)
"""When a text's first day has come is judged by when the broker took the fact that says so, not by what it says."""

LONG_AND_LARGE = _config(**{LARGEST_RECORD: 2 * MAX_RECORD_BYTES}, cleanup_policy="delete", retention_ms=-1)
DAYS = _config(cleanup_policy="delete", retention_ms=7 * DAY_MS)
