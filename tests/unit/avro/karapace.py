"""A registry that somebody else wrote, in its own words: what Karapace 6.2.0 answers."""

import httpx

from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"

Answers = dict[str, tuple[int, str]]


class Karapace:
    """Answers as told, by method and path, and keeps what was asked; to all else it says that it has no such path.

    It knows no schema in its first `restarting` answers, as it does until it has read its topic.
    """

    def __init__(self, answers: Answers, *, restarting: int = 0) -> None:
        self.answers = answers
        self.restarting = restarting
        self.asked: list[str] = []

    def client(self, settles_seconds: float = 0.0) -> SchemaRegistryClient:
        access = RegistryAccess("http://karapace:8081", settles_seconds=settles_seconds)
        return SchemaRegistryClient(access, transport=httpx.MockTransport(self._take))

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if self.restarting and len(self.asked) <= self.restarting:
            return httpx.Response(404, text='{"error_code":40403,"message":"Schema not found"}')
        if self.asked[-1] not in self.answers:
            return httpx.Response(404, text='"Not Found"', headers={"content-type": "application/json"})
        status, text = self.answers[self.asked[-1]]
        return httpx.Response(status, text=text, headers={"content-type": CONTENT_TYPE})
