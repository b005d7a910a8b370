"""Why a broker does not answer, in words: the client tells it to its log, and to who asked only that it failed."""

import logging
import os
import re
from collections import deque

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from confluent_kafka import KafkaException

_HEARD: deque[str] = deque(maxlen=1)
_FAILED = re.compile(r'Unable (?:connect to|to request metadata from) (?:"[^"]*"|node with id [^:]+): (.*)', re.DOTALL)
_CLOSED = re.compile(r"Connection at \S+ closed")
_SYSTEM = re.compile(r"\[Errno (-?\d+)\] ?")
REFUSED = "it refuses the user or the password"
NO_CONNECTION = "no connection"
CLOSED = "it closes the connection, as one does that is spoken to by another BUS_KAFKA_SECURITY_PROTOCOL than its own"
FORBIDDEN = "this user has no right to it"
_NO_RIGHT = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)


class _Listener(logging.Handler):
    """Keeps what the client said last of a connection that failed, and so keeps it off the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line of the client's log."""
        found = _FAILED.match(record.getMessage())
        if found:
            _HEARD.append(in_words(found[1]))


logging.getLogger("aiokafka").addHandler(_Listener())


def last_heard() -> str:
    """What the client said last of a connection that failed."""
    return _HEARD.pop() if _HEARD else NO_CONNECTION


def said(error: BaseException) -> str:
    """What is known of a failure, without the names of classes and without addresses as Python writes them."""
    text = str(error).removeprefix(f"{type(error).__name__}: ")
    if "bootstrap" in text:
        return last_heard()
    if isinstance(error, TimeoutError | KafkaTimeoutError):
        return "no answer in time, as of a topic that is not there or that this user may not read"
    if isinstance(error, _NO_RIGHT):
        return FORBIDDEN
    if isinstance(error, KafkaException):
        return str(error.args[0].str())
    return text if isinstance(error, KafkaError) and text else "the client gives no reason"


def in_words(text: str) -> str:
    """A line of the client's log in words: `[Errno 111] Connect call failed (…)` becomes `Connection refused`."""
    if "SaslAuthenticationFailed" in text or "Authentication" in text:
        return REFUSED
    if _CLOSED.search(text):
        return CLOSED
    found = _SYSTEM.search(text)
    if found and int(found[1]) > 0:
        return os.strerror(int(found[1]))
    return _SYSTEM.sub("", text).strip() or NO_CONNECTION
