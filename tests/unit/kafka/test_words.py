"""What is told of a broker that does not answer."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest
from aiokafka.errors import KafkaTimeoutError

from bus import cli
from bus.errors import KafkaUnreachable
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.log import LogWriter, Reader
from bus.kafka.words import CLOSED, NO_MECHANISM, NO_SASL, NO_TLS, NOT_TRUSTED, OTHER_NAME, in_words

VERIFY, AT = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: ", " (_ssl.c:1006)"


@pytest.fixture
def nobody(caplog: pytest.LogCaptureFixture) -> str:
    """An address at which nobody listens; the client tells its log, whatever another test has set there."""
    caplog.set_level(logging.NOTSET, logger="aiokafka")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("kind", [Reader, LogWriter])
async def test_a_broker_that_is_not_there_is_told_in_words(nobody: str, kind: type[Reader] | type[LogWriter]) -> None:
    """The error names the address and the system's reason, nothing as Python writes it, and leaves nothing open."""
    with pytest.raises(KafkaUnreachable) as raised:
        await kind(KafkaAccess(nobody)).start()
    assert str(raised.value) == f"no Kafka broker answers at {nobody} (Connection refused)"


async def test_an_administrator_without_a_broker_is_told_in_words(nobody: str) -> None:
    """The other client, which would try again for long, is asked only when a broker is known to answer."""
    async with asyncio.timeout(5):
        with pytest.raises(KafkaUnreachable) as raised:
            await Admin(KafkaAccess(nobody)).topics()
    assert str(raised.value) == f"no Kafka broker answers at {nobody} (Connection refused)"


@pytest.fixture
def silent() -> Iterator[str]:
    """An address at which connections are taken, and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("ask", [lambda access: Reader(access).start(), lambda access: Admin(access).topics()])
async def test_a_broker_that_says_nothing_is_given_up(
    silent: str, ask: Callable[[KafkaAccess], Awaitable[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who takes the connection and does not answer is told of after some seconds, whichever client asks."""
    monkeypatch.setattr("bus.kafka.reach.PATIENCE_SECONDS", 1.0)
    async with asyncio.timeout(5):
        with pytest.raises(KafkaUnreachable) as raised:
            await ask(KafkaAccess(silent))
    assert str(raised.value) == f"no Kafka broker answers at {silent} (no answer within 1 s)"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[Errno 111] Connect call failed ('127.0.0.1', 1)", "Connection refused"),
        ("[Errno -2] Name or service not known", "Name or service not known"),
        ("[Error 58] SaslAuthenticationFailed: Authentication failed", "it refuses the user or the password"),
        ("KafkaConnectionError: Connection at 127.0.0.1:1 closed", CLOSED),
        ("[Error 33] UnsupportedSaslMechanismError: <AIOKafkaConnection host=h port=1>", NO_MECHANISM),
        ("[Error 34] IllegalSaslStateError: <AIOKafkaConnection host=h port=1>", NO_SASL),
        (
            f"{VERIFY}unable to get local issuer certificate{AT}",
            NOT_TRUSTED.format("unable to get local issuer certificate"),
        ),
        (f"{VERIFY}Hostname mismatch, not 'h'.{AT}", OTHER_NAME.format("Hostname mismatch, not 'h'")),
        (f"[SSL: WRONG_VERSION_NUMBER] wrong version number{AT}", NO_TLS.format("wrong version number")),
        ("", "no connection"),
    ],
)
def test_a_line_of_the_client_has_words(line: str, words: str) -> None:
    """What the client tells its log is told without codes, classes and tuples."""
    assert in_words(line) == words


def test_an_error_of_the_client_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a command does not expect of the client is told in two lines, in words."""

    def fail() -> None:
        raise KafkaTimeoutError("Failed to get offsets by times in 40000 ms")

    monkeypatch.setattr(cli, "cli", fail)
    with pytest.raises(SystemExit):
        cli.main()
    error, remedy = capsys.readouterr().err.splitlines()
    assert error.startswith("error: Kafka did not do what was asked of it: no answer in time")
    assert remedy.startswith("remedy: May this user do it?")


async def test_a_broker_without_tls_is_told_of_the_protocol(caplog: pytest.LogCaptureFixture) -> None:
    """A plain-text broker closes what it takes for nonsense; the client has no word for that: the reason is told."""
    caplog.set_level(logging.NOTSET, logger="aiokafka")

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async with asyncio.timeout(5), await asyncio.start_server(hang_up, "127.0.0.1") as server:
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(KafkaUnreachable) as raised:
            await Reader(KafkaAccess(place, "SSL")).start()
    assert str(raised.value) == f"no Kafka broker answers at {place} ({CLOSED})"
