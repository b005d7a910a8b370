"""The form of agreements at a stable address of the bus."""

from typing import cast

import httpx
import pytest

from bus.agreements.jsonschema import json_schema
from bus.citizen.app import application
from bus.citizen.desk import ConsentDesk


@pytest.mark.parametrize(("path", "language"), [("agreement.schema.json", "en"), ("agreement.schema.vi.json", "vi")])
async def test_editors_find_the_form_of_agreements(path: str, language: str) -> None:
    """Whoever names an address in the first line of a text gets the JSON Schema in its language, without any token."""
    transport = httpx.ASGITransport(application(cast("ConsentDesk", None), token="secret"))
    async with httpx.AsyncClient(transport=transport, base_url="http://bus") as client:
        answer = await client.get(f"/{path}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/schema+json")
    assert answer.json() == json_schema(language)
