"""Whether a changed schema can follow the versions that a subject has, and whether readers of a flow can follow a view.

Both are judged here, whatever level a registry holds its subjects to: some look at the newest version alone or at none.
And stricter than any registry: a year that becomes a date is read without an error, and taken for another thing.
"""

from collections.abc import Iterable
from typing import Any

from bus.agreements.document import AgreementDocument
from bus.avro.canonical import identity
from bus.avro.client import Registered, SchemaRegistryClient
from bus.avro.compatibility import Finding, otherwise_meant, unreadable
from bus.errors import ReadersCannotFollow


async def why_not_next(client: SchemaRegistryClient, subject: str, schema: Any) -> list[str]:
    """Why a schema may not be the next version of a subject; empty when it may, or is one of its versions already.

    Records of every version must be readable with it. Only if they are, what the registry has against it counts too.
    """
    earlier = await client.versions(subject)
    if identity(schema) in {identity(one.schema) for one in earlier}:
        return []
    return _unreadable(schema, earlier) or await client.compatible(subject, schema)


async def require_followed(
    client: SchemaRegistryClient, subject: str, view: dict[str, Any], document: AgreementDocument
) -> int | None:
    """The id of the view's schema, None where the flow has not had this view yet.

    Raises ReadersCannotFollow, with the fields, where readers of an earlier view could not follow.
    """
    schema_id = await client.find(subject, view)
    if schema_id is not None:
        return schema_id
    earlier = await client.versions(subject)
    broken = _unreadable(view, earlier) or await client.compatible(subject, view)
    broken += _told((one, otherwise_meant(view, one.schema)) for one in earlier)
    if broken:
        raise ReadersCannotFollow(agreement=document.id, told="; ".join(broken), major=document.major + 1)
    return None


def _unreadable(schema: Any, earlier: Iterable[Registered]) -> list[str]:
    return _told((one, unreadable(schema, one.schema)) for one in earlier)


def _told(found: Iterable[tuple[Registered, Iterable[Finding]]]) -> list[str]:
    return [f"{finding} (version {version.version})" for version, findings in found for finding in findings]
