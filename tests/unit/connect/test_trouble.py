"""Why a source does not answer, in words, without its secrets and without values."""

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
import sqlalchemy

from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.connect.postgres.source import PostgresSource
from bus.connect.postgres.trouble import MALFORMED, WRITE_SO, is_malformed, of_postgres
from bus.connect.spec import secrets
from bus.connect.trouble import address, of_http, of_sql
from bus.errors import SourceUnfit, SourceUnreachable


async def failing(url: str) -> str:
    """What is told of a request that fails."""
    try:
        async with httpx.AsyncClient(base_url=url) as client:
            await client.get("/feed")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return of_http(error, url)
    raise AssertionError("it did not fail")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1 cannot be reached: Connection refused"),
        ("http://user:hidden@127.0.0.1:1", "http://127.0.0.1:1 cannot be reached: Connection refused"),
        ("nonsense", "the given url is no address such as https://host:port"),
        ("http://[::1", "the given url is no address such as https://host:port"),
    ],
)
async def test_a_service_that_does_not_answer_is_told_with_its_address(url: str, words: str) -> None:
    """Why a service cannot be reached is told in the system's words, with its address and without who asked."""
    assert await failing(url) == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectTimeout(""), "http://h cannot be reached in time"),
        (httpx.ReadTimeout(""), "http://h takes too long to answer"),
        (httpx.RemoteProtocolError("x"), "http://h does not answer as an HTTP server does"),
        (httpx.ReadError("x"), "http://h broke off its answer"),
        (
            httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed (_ssl.c:1006)"),
            "http://h cannot be reached: certificate verify failed: self-signed",
        ),
    ],
)
def test_trouble_on_the_way_has_words(error: httpx.HTTPError, words: str) -> None:
    """Each way in which a request can fail has words of its own."""
    assert of_http(error, "http://h") == words


def test_an_address_is_told_without_what_is_secret_in_it() -> None:
    """Of an address, the host is told; user, password, path and query are not, and a bare host is no secret at all."""
    assert address("https://u:hidden@[::1]:8443/p?token=x") == "https://[::1]:8443"
    plain, telling = "https://feed.example:8443", "https://feed.example/hidden?token=x"
    assert secrets({"url": plain, "token": "hidden"}) == {"hidden"}
    assert telling in secrets({"url": telling})


@pytest.mark.parametrize(
    ("dsn", "malformed"),
    [
        ("postgresql://u:plain@h:5432/x", False),
        ("postgresql://u:a%40b@h/x?options=-c%20a", False),
        ("host=h password=a@b", False),
        ("postgresql:///x", False),
        ("postgresql://u:a@b@h/x", True),
        ("postgresql://u:a/b@h/x", True),
        ("postgresql://u:a?b@h/x", True),
        ("postgres://u:a#b@h/x", True),
    ],
)
def test_a_password_that_breaks_its_address_is_noticed(dsn: str, malformed: bool) -> None:  # noqa: FBT001 - a case
    """A password with letters that split an address elsewhere is noticed before a part of it is quoted by anybody."""
    assert is_malformed(dsn) is malformed


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.InvalidTextRepresentation('invalid input syntax for type integer: "001190000029"'),
        psycopg.errors.NumericValueOutOfRange('value "001190000029" is out of range for type integer'),
        psycopg.errors.RaiseException("the citizen 001190000029 has no address"),
    ],
)
def test_what_postgresql_says_of_a_value_is_not_repeated(error: psycopg.Error) -> None:
    """An error about a value of a row, as from a cast in a registry's view, is told by its kind."""
    said = of_postgres(error)
    assert "001190000029" not in said
    assert type(error).__name__ in said


async def test_what_postgresql_says_is_one_line_without_a_password() -> None:
    """A server that is not there is told by its address, a malformed address by that alone."""
    with pytest.raises(psycopg.Error) as refused:
        await psycopg.AsyncConnection.connect("postgresql://u:hidden@127.0.0.1:1/x")
    assert "Connection refused" in of_postgres(refused.value)
    assert "hidden" not in of_postgres(refused.value)
    with pytest.raises(psycopg.Error) as malformed:
        await psycopg.AsyncConnection.connect("nonsense hidden")
    assert of_postgres(malformed.value) == MALFORMED


class Shop(PostgresSource):
    """One table."""

    manifest = Manifest.model_validate({"name": "shop", "registry": "shop", "kind": "postgres", "datasets": {
        "shop.item": {"origin": "item", "fields": {"id": "id"}}}})  # fmt: skip


@pytest.mark.parametrize("dsn", ["postgresql://u:hid@den@127.0.0.1:1/x", "postgresql//u:hidden@127.0.0.1:1/x"])
async def test_a_connector_ends_at_an_address_that_cannot_be_right(dsn: str) -> None:
    """Trying again mends no address: the connector ends with how to write one, and nothing of it is told."""
    source = Shop(Place("shop", "", {"dsn": dsn}))
    for step in (source.open(None), source.head(), source.forget()):
        with pytest.raises(SourceUnfit) as unfit:
            await step
        assert MALFORMED in str(unfit.value)
        assert unfit.value.how_to_mend == WRITE_SO
        assert "hid" not in f"{unfit.value} {unfit.value.how_to_mend}"


async def test_a_connector_tells_why_its_database_does_not_answer() -> None:
    """A database that is away is tried again, and what is told of it meanwhile is the reason in its own words."""
    source = Shop(Place("shop", "", {"dsn": "postgresql://u:hidden@127.0.0.1:1/x"}))
    for step in (source.open(None), source.head()):
        with pytest.raises(SourceUnreachable, match="Connection refused") as away:
            await step
        assert "hidden" not in str(away.value)


def test_values_that_a_database_quotes_are_not_told() -> None:
    """Of an error that may quote a row only its kind is told; of names and rights what the driver says."""

    def made(kind: Callable[..., Any], text: str) -> str:
        return of_sql(kind("select", {}, Exception(text)), "sqlite:///x.db")

    assert made(sqlalchemy.exc.DataError, 'invalid input: "0901"') == "sqlite:///x.db refuses a query (DataError)"
    assert made(sqlalchemy.exc.OperationalError, "no such table: a\nmore") == "sqlite:///x.db: no such table: a"
