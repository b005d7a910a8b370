"""Where the schema registry is and who asks there, as the settings say."""

from pathlib import Path

import httpx
import pytest

from bus.avro.access import SETTLES_SECONDS, TOKEN_NAME, RegistryAccess, registry_access
from bus.avro.client import SchemaRegistryClient
from bus.errors import SchemaRegistryUnreachable
from bus.platform.home import Home
from bus.settings import Settings

LOCAL = Settings(schema_registry=None)
URL = "https://schemas.example/apis/ccompat/v7/"
THEIRS = Settings(schema_registry=URL)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in which a registry of the bus runs, which asks writers for a token."""
    found = Home(tmp_path)
    found.announce("schema-registry", port=8081)
    found.secret(TOKEN_NAME)
    return found


async def asked(access: RegistryAccess) -> httpx.Request:
    """What a client asks of a registry that it reaches so."""
    seen: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"schema": '"string"'})

    async with SchemaRegistryClient(access, transport=httpx.MockTransport(take)) as client:
        await client.schema(7)
    return seen[0]


async def test_user_and_password_go_to_the_users_own(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks the user's own registry is who the settings say, below the path that its address has."""
    monkeypatch.setenv("BUS_SCHEMA_REGISTRY_USERNAME", "ann")
    monkeypatch.setenv("BUS_SCHEMA_REGISTRY_PASSWORD", "päss:word")
    request = await asked(registry_access(THEIRS, home))
    assert request.url == "https://schemas.example/apis/ccompat/v7/schemas/ids/7"
    assert request.headers["authorization"] == "Basic YW5uOnDDpHNzOndvcmQ="
    assert registry_access(LOCAL, home).headers == {}


def test_only_the_users_own_is_doubted(home: Home) -> None:
    """The registry of the bus reads to the end of its topic before it answers; another may answer from what it has."""
    assert registry_access(THEIRS, home).settles_seconds == SETTLES_SECONDS
    assert registry_access(LOCAL, home).settles_seconds == 0


async def test_a_token_goes_to_the_users_own(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token goes out as a bearer token; that of the home is for the registry in the home alone."""
    assert "authorization" not in (await asked(registry_access(THEIRS, home, registers=True))).headers
    monkeypatch.setenv("BUS_SCHEMA_REGISTRY_TOKEN", "t0ken")
    assert (await asked(registry_access(THEIRS, home))).headers["authorization"] == "Bearer t0ken"


async def test_only_who_registers_shows_the_token_of_the_home(home: Home) -> None:
    """At the registry that the bus serves, readers are nobody, and writers have the token that lies in the home."""
    reader, writer = registry_access(LOCAL, home), registry_access(LOCAL, home, registers=True)
    assert reader.headers == {}
    assert (await asked(writer)).headers["authorization"] == f"Bearer {home.secret(TOKEN_NAME)}"
    assert str((await asked(reader)).url) == "http://127.0.0.1:8081/schemas/ids/7"


async def test_what_is_shown_tells_no_secret() -> None:
    """Neither `repr` nor an error holds a password, be it in the address or beside it."""
    access = RegistryAccess("http://ann:pw@127.0.0.1:1", "t0ken", "ann", "s3cret")
    assert repr(access) == "RegistryAccess(http://127.0.0.1:1, user=ann)"
    async with SchemaRegistryClient(access) as client:
        with pytest.raises(SchemaRegistryUnreachable, match=r"http://127\.0\.0\.1:1 ") as caught:
            await client.schema(1)
    assert "pw" not in str(caught.value)


async def test_user_and_password_in_the_address() -> None:
    """An address with a user and a password in it is as good as settings."""
    assert (await asked(RegistryAccess("http://ann:pw@registry"))).headers["authorization"] == "Basic YW5uOnB3"
