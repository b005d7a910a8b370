"""The bus's own messages: the schemas in `schemas/bus`, their ids in the registry, and back and forth to values."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import bus
from bus.avro.canonical import identity
from bus.avro.client import SchemaRegistryClient
from bus.avro.codec import Parsed, decode, encode, parse
from bus.avro.frame import BODY_START, frame, unframe
from bus.errors import RecordUnreadable

Message = dict[str, Any]

FOLDER = Path(bus.__file__).parent.parent / "schemas"
"""Beside the package, in a checkout and in an installed wheel alike."""


@cache
def own_schema(name: str) -> dict[str, Any]:
    """The schema `schemas/bus/<name>.avsc`, as JSON. Do not change what it returns."""
    schema: dict[str, Any] = json.loads((FOLDER / "bus" / f"{name}.avsc").read_text("utf-8"))
    return schema


def own_names() -> list[str]:
    """The names of all own messages."""
    return sorted(path.stem for path in (FOLDER / "bus").glob("*.avsc"))


def own_subject(name: str) -> str:
    """The subject in the schema registry under which an own message stands."""
    return f"bus.{name}"


@cache
def needed(name: str) -> frozenset[str]:
    """The fields that every message of that name has, whichever release wrote it: those without a default."""
    return frozenset(one["name"] for one in own_schema(name)["fields"] if "default" not in one)


class OwnMessages:
    """Encodes and decodes own messages; `prepare` once, before anything else, or `learn` where nothing is written."""

    def __init__(self, client: SchemaRegistryClient) -> None:
        self._client = client
        self._ids: dict[str, int] = {}
        self._heads: dict[str, bytes] = {}
        self._parsed = {name: parse(own_schema(name)) for name in own_names()}
        self._by_id: dict[int, Any] = {}

    async def prepare(self) -> None:
        """Learn the ids of the own schemas; registers those that are new, which only a writer may.

        Raises SchemaRegistryUnreachable, SchemaRefused.
        """
        await self.learn()
        for name in self._parsed.keys() - self._ids.keys():
            self._know(name, await self._client.register(own_subject(name), own_schema(name)))

    async def learn(self) -> None:
        """Learn the ids of those own schemas that are registered as they are now. Raises SchemaRegistryUnreachable."""
        for name in self._parsed:
            found = await self._client.latest(own_subject(name))
            if found is not None and identity(found.schema) == identity(own_schema(name)):
                self._know(name, found.schema_id)

    def _know(self, name: str, schema_id: int) -> None:
        self._ids[name] = schema_id
        self._heads[name] = frame(schema_id, b"")
        self._by_id[schema_id] = self._parsed[name]

    def encode(self, name: str, message: Message) -> bytes:
        """The framed bytes of a message. Raises ValueError for one that does not fit its schema."""
        return frame(self._ids[name], encode(self._parsed[name], message))

    def framed(self, name: str, body: bytes) -> bytes:
        """A message whose body was put together elsewhere."""
        return frame(self._ids[name], body)

    def body(self, name: str, data: bytes) -> bytes | None:
        """The body of a framed message that was written with the own schema of now; None for any other."""
        head = self._heads.get(name)
        return data[BODY_START:] if head is not None and data.startswith(head) else None

    async def renewed(self, name: str, data: bytes) -> bytes:
        """The body of a framed message, as the own schema of now has it: what its writer did not know, by default.

        Raises as `decode`.
        """
        parsed = self._parsed[name]
        return encode(parsed, await self.decode(data, parsed))

    async def decode(self, data: bytes, read_as: Parsed | None = None) -> Message:
        """The message in framed bytes, by its writer's schema; see `codec.decode` for `read_as`.

        Raises RecordUnreadable, SchemaUnknown.
        """
        schema_id, body = unframe(data)
        if schema_id not in self._by_id:
            self._by_id[schema_id] = await self._client.parsed(schema_id)
        message = decode(self._by_id[schema_id], body, read_as)
        if not isinstance(message, dict):
            raise RecordUnreadable(schema_id=schema_id, reason="it is not a record")
        return message
