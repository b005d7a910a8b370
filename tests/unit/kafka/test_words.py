"""What is told of a broker that does not answer."""

import logging
import socket

import pytest
from aiokafka.errors import KafkaTimeoutError

from bus import cli
from bus.errors import KafkaUnreachable
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.log import LogWriter, Reader
from bus.kafka.words import in_words


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


async def test_an_administrator_without_a_broker_is_told_in_words(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other client's error has no name of a class or a library's code either."""
    monkeypatch.setattr("bus.kafka.admin.ANSWER_SECONDS", 0.3)
    with pytest.raises(KafkaUnreachable) as raised:
        await Admin(KafkaAccess(nobody)).topics()
    assert "no connection" in str(raised.value)
    assert "Local:" not in str(raised.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[Errno 111] Connect call failed ('127.0.0.1', 1)", "Connection refused"),
        ("[Errno -2] Name or service not known", "Name or service not known"),
        ("[Error 58] SaslAuthenticationFailed: Authentication failed", "it refuses the user or the password"),
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
