"""Schemas and the registry of schemas, and records that do not follow them."""

from bus.errors.base import BusError


class SchemaUnknown(BusError):
    """A schema id that the registry does not know: the record cannot be read."""

    message = "schema id {schema_id} is not in the schema registry"
    remedy = "The record goes to deadletters; register the schema and release it."


class SchemaRegistryUnreachable(BusError):
    """The registry did not answer; nothing can be decided until it does."""

    message = "the schema registry at {url} does not answer ({reason})"
    remedy = "Is it running? `bus status` shows the local one; BUS_SCHEMA_REGISTRY names another."
    retryable = True


class SchemaRegistryForbids(SchemaRegistryUnreachable):
    """The registry lets whoever asks not do what was asked; waiting is right, for it may be allowed meanwhile."""

    message = "the schema registry at {url} refuses {who} ({reason})"
    remedy = (
        "BUS_SCHEMA_REGISTRY_USERNAME and BUS_SCHEMA_REGISTRY_PASSWORD, or BUS_SCHEMA_REGISTRY_TOKEN, say who asks; "
        "let them read every subject of the bus, and write it where they register schemas."
    )


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
