"""The form of agreements at a stable address of the bus."""

from typing import cast

import httpx

from bus.agreements.jsonschema import SCHEMA_FILE, json_schema
from bus.citizen.app import application
from bus.citizen.desk import ConsentDesk


async def test_editors_find_the_form_of_agreements() -> None:
    """Whoever names the address in the first line of a text gets the JSON Schema, without any token."""
    transport = httpx.ASGITransport(application(cast("ConsentDesk", None), token="secret"))
    async with httpx.AsyncClient(transport=transport, base_url="http://bus") as client:
        answer = await client.get(f"/{SCHEMA_FILE}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/schema+json")
    assert answer.json() == json_schema()
