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
from bus.kafka.words import CLOSED, in_words


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
