"""Connectors: folders, settings, sources, orders."""

from bus.errors.base import BusError


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
    """A connector has no Kafka user here, or no topics of its own: it could not say where it stands."""

    message = "connector {connector} is not registered with this bus"
    remedy = "`bus connector register {connector}` brings it and its datasets onto the bus."
    exit_code = 2


class GuessesOpen(BusError):
    """A proposed schema still holds guesses, and nobody has decided."""

    message = "{dataset} has guesses that nobody has confirmed: {guesses}"
    remedy = "Decide each and take its `to_confirm` out of the schema; --accept-guesses takes them all as they are."
    exit_code = 2


class SchemaBreaksAgreements(BusError):
    """A new schema would break agreements that are active now, or strand copies that are held."""

    message = "the new schema of {dataset} breaks agreements: {agreements}"
    remedy = (
        "Keep what they release as it is, or suspend them, agree on a new revision, and activate that. "
        "Where subject or record id change, publish a dataset of another name, and end the agreements on this one."
    )
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
