"""Every log event, once: its name, its level and what it tells an operator. No event carries a personal value."""

from enum import StrEnum
from typing import Self


class Event(StrEnum):
    """A log event. Fields are given where it is emitted; ids of persons only as keyed hashes."""

    level: str
    meaning: str

    def __new__(cls, name: str, level: str, meaning: str) -> Self:
        """A StrEnum member that carries its level and meaning."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.level = level
        member.meaning = meaning
        return member

    # --- processes ---
    PROCESS_STARTED = "process-started", "info", "A process serves; with its port where it has one."
    PROCESS_STOPPING = "process-stopping", "info", "A process was asked to end and finishes its work."
    PROCESS_FAILED = "process-failed", "error", "A process ends because of an error; the remedy is beside it."

    # --- router ---
    LANE_STARTED = "lane-started", "info", "This process owns a lane: fenced, state read, serving."
    LANE_STOPPED = "lane-stopped", "info", "A lane was given up in order."
    LANE_FAILED = "lane-failed", "warning", "A lane met an error and starts anew after a pause."
    LANE_WAITS = (
        "lane-waits",
        "warning",
        "A lane has been waiting for the broker for some seconds; the reason and the remedy are beside it.",
    )
    LANE_GOES_ON = "lane-goes-on", "info", "What a lane waited for at the broker is over; how long it lasted."
    INPUT_HELD_BACK = (
        "input-held-back",
        "warning",
        "Somebody's transaction in a topic that a lane reads has not been ended for seconds; the remedy is beside it.",
    )
    INPUT_GOES_ON = "input-goes-on", "info", "A lane reads on where somebody's transaction had held it back."
    STORE_AHEAD = (
        "store-ahead",
        "error",
        "The broker has less than a lane of this machine had committed: it lost records; the remedy is beside it.",
    )
    STORE_ANEW = "store-anew", "info", "What a lane keeps on the disk is built anew from the topics; `reason` says why."
    STORE_LOCKED = (
        "store-locked",
        "warning",
        "Another process does not let go of a lane's store; one more is made beside it, and removed some day.",
    )
    FACT_IGNORED = "fact-ignored", "warning", "A fact could not be read; what it names is suspended."
    FACT_REFUSED = "fact-refused", "warning", "A fact was told by somebody who may not; it changes nothing."
    DAY_NOT_TOLD = "day-not-told", "warning", "That a text's first day has come could not be told; it is tried again."
    CONSENT_UNREADABLE = "consent-unreadable", "warning", "A consent event could not be read; it counts as withdrawal."
    RECORD_DEAD = "record-dead", "warning", "A record could not be read; it lies in deadletters, untouched."
    COMMAND_DONE = (
        "command-done",
        "info",
        "An operator's order about a dead letter was carried out, and what became of it.",
    )
    COMMAND_UNREADABLE = "command-unreadable", "warning", "An order could not be read; it is passed over."
    COMMANDS_GONE = "commands-gone", "warning", "Orders came to a lane that nobody served for a week; they are gone."
    TOPIC_DRIFTED = "topic-drifted", "error", "A topic is not set as the bus needs it; the remedy is beside it."
    LIMITS_UNKNOWN = (
        "limits-unknown",
        "warning",
        "The router may not ask how large records of these topics may be: whether dead letters find room is unchecked.",
    )
    REPORT_FAILED = "report-failed", "warning", "How the lanes fare could not be told; it is tried again."

    # --- connectors ---
    CONNECTOR_STARTED = (
        "connector-started",
        "info",
        "A connector is fenced, knows where it stands, and reads its source.",
    )
    CONNECTOR_WAITS = (
        "connector-waits",
        "warning",
        "The broker lets a connector not begin yet: why, and what can be done.",
    )
    CONNECTOR_FAILED = "connector-failed", "warning", "A connector met an error and starts anew after a pause."
    SOURCE_WAITING = "source-waiting", "warning", "A source does not answer; it is tried again."
    SNAPSHOT_STARTED = "snapshot-started", "info", "Every record of these datasets is read from the source, and why."
    SNAPSHOT_FINISHED = "snapshot-finished", "info", "A snapshot is complete; the stream goes on as before."
    POSITION_LOST = "position-lost", "error", "The source's history has a gap; a full snapshot and a sweep mend it."
    ROW_DEAD = "row-dead", "warning", "A row does not fit its dataset's contract; it lies in deadletters, untouched."
    SECRET_REFUSED = "secret-refused", "warning", "Rows marked as state secrets were refused; nothing of them is kept."
    SOURCE_DIFFERS = (
        "source-differs",
        "warning",
        "A column is new, gone or of another kind at its source; what is done about it.",
    )
    SOURCE_FROZEN = (
        "source-frozen",
        "error",
        "A connector stands still before a row that differs. Mend the source or the manifest, or order `accept`.",
    )
    ORDER_OBEYED = "order-obeyed", "info", "A connector took an operator's order; what became of it."
    ORDER_UNREADABLE = "order-unreadable", "warning", "An order to a connector could not be read; it is passed over."
    ORDERS_GONE = (
        "orders-gone",
        "warning",
        "Orders are kept for a week, and older ones that a connector had not read are gone: give again what it lacks.",
    )
    FILE_READ = "file-read", "info", "An exported file was read whole; how it was found to be written."
    SWEEP_HELD = (
        "sweep-held",
        "error",
        "A full reading lacks too much, or has nameless or too many unfit rows: it erases nothing.",
    )
    FILE_IGNORED = "file-ignored", "warning", "An exported file was not read, and why."

    # --- schema registry and consent API ---
    SCHEMA_REGISTERED = "schema-registered", "info", "A schema became a version of a subject."
    SCHEMA_ENTRY_UNREADABLE = (
        "schema-entry-unreadable",
        "warning",
        "An entry of `schemas` makes no sense; it is passed.",
    )
    SCHEMA_DOUBTED = (
        "schema-doubted",
        "warning",
        "The user's own registry denies a schema id; it is asked again for some seconds, for it may have to catch up.",
    )
    SCHEMA_STORE_FAILED = "schema-store-failed", "warning", "The topic `schemas` does not answer; callers wait."
    CONSENTS_TAKEN = "consents-taken", "info", "Consent events of one request were written; how many."
    CONSENTS_REFUSED = "consents-refused", "info", "A request was refused whole; how many things were wrong with it."
    CONSENT_API_FAILED = "consent-api-failed", "warning", "A request could not be served now; the caller tries again."
    FOLLOWING_FAILED = "following-failed", "warning", "Consents and positions cannot be read; it is tried again."
    POSITION_UNREADABLE = "position-unreadable", "warning", "A lane's position could not be read; the next one follows."

    # --- local platform ---
    CHILD_DIED = "child-died", "warning", "A local process died and will be started again; its log says why."
    CHILD_NOT_BACK = "child-not-back", "warning", "A local process could not be started again; the next try follows."
    CHILD_RESTARTED = "child-restarted", "info", "A local process that had died serves again."
    LEFTOVER_ENDED = (
        "leftover-ended",
        "warning",
        "A process of an earlier parent, which was killed, was found and ended.",
    )
    PORT_MOVED = "port-moved", "warning", "The port of the last start is taken by now; a new one was picked."
    TOPIC_SET_BACK = (
        "topic-set-back",
        "warning",
        "A topic of the local Kafka was set otherwise than the bus needs; what Kafka removed meanwhile is gone.",
    )
    POSTGRES_ACCOUNT = "postgres-account", "info", "PostgreSQL refuses root: it runs under the account named here."
