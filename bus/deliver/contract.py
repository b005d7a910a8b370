"""Contracts in the forms that others' tools read, made from the register: AsyncAPI for a recipient, ODCS for a dataset.

Avro stays the source of truth: both carry it, or are made from it, and neither is ever read back.
"""

from collections.abc import Mapping
from typing import Any

from bus.agreements.document import AgreementDocument
from bus.deliver.recipients import Recipient
from bus.kafka.access import KafkaAccess
from bus.model.reasons import Reason
from bus.register.state import AgreementEntry, DatasetEntry

ASYNCAPI, ODCS = "3.1.0", "v3.2.0"
VERSION = "1.0.0"

_SECURITY = {"SCRAM-SHA-256": "scramSha256", "SCRAM-SHA-512": "scramSha512", "PLAIN": "plain"}

_LOGICAL = {
    "string": "string", "bytes": "string", "boolean": "boolean", "int": "integer", "long": "integer",
    "float": "number", "double": "number", "enum": "string", "array": "array", "record": "object", "map": "object",
    "date": "date", "timestamp-millis": "timestamp", "timestamp-micros": "timestamp", "decimal": "number",
}  # fmt: skip


def asyncapi(
    recipient: Recipient, agreements: Mapping[str, AgreementEntry], views: Mapping[str, Any], place: Mapping[str, Any]
) -> dict[str, Any]:
    """What an agency receives, topic by topic, at a `server`. `views` are its Avro schemas, by agreement."""
    flows = recipient.flows
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": f"What {_english(recipient.name) or recipient.agency} receives",
            "version": VERSION,
            "description": "Read committed. A record without a value is an order to delete the copy under its key.",
        },
        "defaultContentType": "application/vnd.apache.avro",
        "servers": {"bus": place},
        "channels": {
            flow.agreement: {
                "address": flow.topic,
                "title": _english(flow.title),
                "messages": {
                    "released": {"$ref": f"#/components/messages/{flow.agreement}"},
                    "erased": {"$ref": "#/components/messages/erased"},
                },
            }
            for flow in flows
        },
        "operations": {
            f"receive-{flow.agreement}": {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{flow.agreement}"},
                "summary": f"{_purpose(agreements[flow.agreement])} ({flow.standing})",
                "description": _obligations(agreements[flow.agreement]),
                "x-obligations": AgreementDocument.model_validate(agreements[flow.agreement].document).obligations,
            }
            for flow in flows
        },
        "components": {
            "messages": {
                "erased": _erased(),
                **{flow.agreement: _released(agreements[flow.agreement], views[flow.agreement]) for flow in flows},
            }
        },
    }


def server(access: KafkaAccess, user: str, groups: str, registry: str) -> dict[str, Any]:
    """Where an agency reads: the brokers, how it logs in there, as whom, and where the schemas are."""
    mechanism = access.sasl_mechanism if access.security_protocol.startswith("SASL") else None
    how = f"security.protocol={access.security_protocol}" + (f", sasl.mechanism={mechanism}" if mechanism else "")
    return {
        "host": access.bootstrap,
        "protocol": "kafka" if access.security_protocol == "PLAINTEXT" else "kafka-secure",
        "description": f"As the Kafka user {user} ({how}), in groups whose names begin with {groups}",
        **({"security": [{"type": _SECURITY[mechanism]}]} if mechanism in _SECURITY else {}),
        "bindings": {"kafka": {"schemaRegistryUrl": registry, "schemaRegistryVendor": "confluent"}},
    }


def odcs(dataset: DatasetEntry, topic: str, owner: str | None) -> dict[str, Any]:
    """A dataset as its registry publishes it."""
    schema = dataset.schema
    keys = [name for name in (schema.get("subject"), *schema.get("record_id", ())) if name]
    return {
        "apiVersion": ODCS,
        "kind": "DataContract",
        "id": dataset.dataset,
        "name": dataset.dataset,
        "version": VERSION,
        "status": "active",
        "domain": dataset.registry,
        **({"tenant": owner} if owner else {}),
        "description": {"purpose": str(schema.get("doc", dataset.dataset))},
        "schema": [
            {
                "name": dataset.dataset,
                "physicalName": topic,
                "physicalType": "topic",
                "logicalType": "object",
                "description": str(schema.get("doc", "")),
                "properties": [_property(field, keys) for field in schema["fields"]],
            }
        ],
    }


def _obligations(entry: AgreementEntry) -> str:
    """What binds the recipient and the bus cannot see, in words."""
    onward = AgreementDocument.model_validate(entry.document).onward_transfer
    return f"What is received may be passed on to: {', '.join(onward) or 'nobody'}."


def _released(entry: AgreementEntry, view: Any) -> dict[str, Any]:
    return {
        "name": entry.agreement,
        "contentType": "application/vnd.apache.avro",
        "description": "After five bytes: 0 and the id of the schema that it was written in, most significant first.",
        "bindings": {"kafka": {"schemaIdLocation": "payload", "schemaIdPayloadEncoding": "confluent"}},
        "payload": {"schemaFormat": "application/vnd.apache.avro;version=1.9.0", "schema": _spelt(view)},
    }


def _spelt(schema: Any) -> Any:
    """The same Avro schema with each full name as name and namespace: AsyncAPI takes no dots in a name."""
    if isinstance(schema, list):
        return [_spelt(branch) for branch in schema]
    if not isinstance(schema, Mapping):
        return schema
    spelt = dict(schema)
    if "." in str(schema.get("name", "")):
        spelt["namespace"], _, spelt["name"] = schema["name"].rpartition(".")
    for name in ("type", "items", "values"):
        if name in spelt:
            spelt[name] = _spelt(spelt[name])
    if "fields" in spelt:
        spelt["fields"] = [_spelt(field) for field in spelt["fields"]]
    return spelt


def _erased() -> dict[str, Any]:
    """The tombstone: its reason is in a header."""
    reason = {"type": "string", "enum": [one.value for one in Reason], "description": "Why the copy must go."}
    return {
        "name": "erased",
        "description": "Delete the copy that lies under this key.",
        "headers": {"type": "object", "properties": {"ce_erasurereason": reason}},
        "payload": {"type": "null"},
    }


def _property(field: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
    avro, nullable = _without_null(field["type"])
    physical = avro if isinstance(avro, str) else str(avro.get("logicalType") or avro["type"])
    found: dict[str, Any] = {
        "name": field["name"],
        "logicalType": _LOGICAL.get(physical, "string"),
        "physicalType": physical,
        "description": str(field.get("doc", "")),
        "required": not nullable,
        "classification": str(field.get("category", "personal")),
    }
    if field["name"] in keys:
        found |= {"primaryKey": True, "primaryKeyPosition": keys.index(field["name"]) + 1}
    if isinstance(avro, Mapping) and avro["type"] == "enum":
        found["enum"] = [{"value": symbol} for symbol in avro["symbols"]]
    if isinstance(avro, Mapping) and avro["type"] == "record":
        found["properties"] = [_property(one, []) for one in avro["fields"]]
    if isinstance(avro, Mapping) and avro["type"] == "array":
        items = _property({"name": "item", "type": avro["items"]}, [])
        found["items"] = {
            name: items[name] for name in ("logicalType", "physicalType", "enum", "properties") if name in items
        }
    return found


def _without_null(kind: Any) -> tuple[Any, bool]:
    if not isinstance(kind, list):
        return kind, False
    rest = [branch for branch in kind if branch != "null"]
    return rest[0], len(rest) < len(kind)


def _purpose(entry: AgreementEntry) -> str:
    purpose = entry.document["purpose"]
    return str(purpose.get("en") or purpose["code"])


def _english(words: Mapping[str, str]) -> str:
    return words.get("en") or next(iter(words.values()), "")
