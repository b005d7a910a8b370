"""Whether those who read an agreement's flow can go on reading it under a changed view.

Stricter than a schema registry: a year that becomes a date is read without an error, and taken for another thing.
"""

from typing import Any

from bus.agreements.document import AgreementDocument
from bus.avro.client import SchemaRegistryClient
from bus.avro.compatibility import otherwise_meant
from bus.errors import ReadersCannotFollow


async def require_followed(
    client: SchemaRegistryClient, subject: str, view: dict[str, Any], document: AgreementDocument
) -> int | None:
    """The id of the view's schema, None where the flow has not had this view yet.

    Raises ReadersCannotFollow, with the fields, where readers of an earlier view could not follow.
    """
    schema_id = await client.find(subject, view)
    if schema_id is not None:
        return schema_id
    broken = await client.compatible(subject, view)
    for earlier in await client.versions(subject):
        meant = otherwise_meant(view, earlier.schema)
        broken += [f"{finding} (version {earlier.version})" for finding in meant]
    if broken:
        raise ReadersCannotFollow(agreement=document.id, told="; ".join(broken), major=document.major + 1)
    return None
