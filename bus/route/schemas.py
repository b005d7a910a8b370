"""The schemas of one process's lanes, by id: fetched before a batch is judged, for in its midst nobody may wait."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from bus.avro.client import SchemaRegistryClient
from bus.avro.codec import Parsed, decode
from bus.avro.frame import BODY_START, schema_id_of, unframe
from bus.errors import RecordUnreadable, SchemaUnknown


class Schemas:
    """Schemas by id, so that a batch can be decoded without waiting in its midst."""

    def __init__(self, client: SchemaRegistryClient) -> None:
        self._client = client
        self._parsed: dict[int, Parsed] = {}
        self._heads: set[bytes] = set()

    async def know(self, value: bytes) -> None:
        """Fetch the schema of a framed value if need be.

        Raises RecordUnreadable, SchemaUnknown: poison; SchemaRegistryUnreachable: wait.
        """
        schema_id = schema_id_of(value)
        if schema_id not in self._parsed:
            self._parsed[schema_id] = await self._client.parsed(schema_id)

    async def know_all(self, values: Iterable[bytes]) -> dict[bytes, str]:
        """Fetch the schemas of framed values if need be; returns what is wrong with some, by how those values begin.

        Raises SchemaRegistryUnreachable: wait.
        """
        heads = [*({value[:BODY_START] for value in values} - self._heads)]
        if not heads:
            return {}
        # side by side, for one that is denied may take seconds
        found = await asyncio.gather(*(self._wrong(head) for head in heads))
        return {head: wrong for head, wrong in zip(heads, found, strict=True) if wrong is not None}

    async def _wrong(self, head: bytes) -> str | None:
        try:
            await self.know(head)
        except (RecordUnreadable, SchemaUnknown) as error:
            return type(error).__name__
        self._heads.add(head)
        return None

    def decode(self, value: bytes) -> Mapping[str, Any]:
        """The record in a framed value whose schema is known. Raises RecordUnreadable, SchemaUnknown."""
        schema_id, body = unframe(value)
        if schema_id not in self._parsed:
            raise SchemaUnknown(schema_id=schema_id)
        record = decode(self._parsed[schema_id], body)
        if not isinstance(record, dict):
            raise RecordUnreadable(schema_id=schema_id, reason="it is not a record")
        return record
