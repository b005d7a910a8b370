"""Registries that others wrote, in their own words: what Karapace 6.2.0 answers where ours says it otherwise."""

import json

import httpx

from bus.avro.client import SchemaRegistryClient

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
SCHEMA = {"type": "record", "name": "P", "fields": [{"name": "id", "type": "string"}]}

Answers = dict[str, tuple[int, str]]


class Karapace:
    """Answers as told, by method and path, and keeps what was asked; to all else it says that it has no such path."""

    def __init__(self, answers: Answers) -> None:
        self.asked: list[str] = []
        self._answers = answers

    def client(self) -> SchemaRegistryClient:
        return SchemaRegistryClient("http://karapace:8081", transport=httpx.MockTransport(self._take))

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if self.asked[-1] not in self._answers:
            return httpx.Response(404, text='"Not Found"', headers={"content-type": "application/json"})
        status, text = self._answers[self.asked[-1]]
        return httpx.Response(status, text=text, headers={"content-type": CONTENT_TYPE})


NEWEST = "POST /compatibility/subjects/s/versions/latest"


async def test_compatibility_where_only_one_version_can_be_asked_about() -> None:
    """A registry without the call for all versions is asked about the newest, and its reasons are passed on."""
    karapace = Karapace({NEWEST: (200, '{"is_compatible":false,"messages":["y"]}')})
    assert await karapace.client().compatible("s", SCHEMA) == ["y"]
    assert karapace.asked == ["POST /compatibility/subjects/s/versions", NEWEST]
    assert await Karapace({NEWEST: (200, '{"is_compatible":true}')}).client().compatible("s", SCHEMA) == []
    absent = Karapace({NEWEST: (404, '{"error_code":40402,"message":"Version -1 not found."}')})
    assert await absent.client().compatible("s", SCHEMA) == []


async def test_a_call_that_is_refused_with_a_plain_code() -> None:
    """A registry that says in JSON that it knows no such call is asked about the newest version too."""
    words = json.dumps({"error_code": 405, "message": "HTTP 405 Method Not Allowed"})
    answers = {"POST /compatibility/subjects/s/versions": (405, words), NEWEST: (200, '{"is_compatible":true}')}
    assert await Karapace(answers).client().compatible("s", SCHEMA) == []
