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
_HANGS_UP = re.compile(r"Connection at \S+ closed")
_SYSTEM = re.compile(r"\[Errno (-?\d+)\] ?")
REFUSED = "it refuses the user or the password"
NO_CONNECTION = "no connection"
CLOSED = (
    "it closes connections at once, as one does that is spoken to by another BUS_KAFKA_SECURITY_PROTOCOL than its own,"
    " whose max.connections.per.ip is reached, or that wants a client certificate"
)
NO_SASL = "it asks nobody for a password there, as where BUS_KAFKA_SECURITY_PROTOCOL is one without SASL"
NO_MECHANISM = "it does not take the mechanism that BUS_KAFKA_SASL_MECHANISM names"
NOT_TRUSTED = "its certificate is not trusted: {}; BUS_KAFKA_CA_FILE names the authority that vouches for it"
OTHER_NAME = "its certificate is for another name than BUS_KAFKA gives: {}"
NO_TLS = "no TLS comes about, as with another BUS_KAFKA_SECURITY_PROTOCOL, or without a client certificate: {}"
LATE = "no answer in time"
FORBIDDEN = "this user has no right to it"
_MEANT = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        ("Authentication", REFUSED),
        ("UnsupportedSaslMechanism", NO_MECHANISM),
        ("IllegalSaslState", NO_SASL),
        (_HANGS_UP, CLOSED),
        (r"CERTIFICATE_VERIFY_FAILED\].*?failed: (.*mismatch.*?)\.?(?: \(_ssl\.c:\d+\))?$", OTHER_NAME),
        (r"CERTIFICATE_VERIFY_FAILED\].*?failed: (.*?)\.?(?: \(_ssl\.c:\d+\))?$", NOT_TRUSTED),
        (r"\[SSL: \w+\] (.*?)(?: \(_ssl\.c:\d+\))?$", NO_TLS),
    )
)
"""What a line of the client's log means, the first that fits."""
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
            last = record.args[-1] if isinstance(record.args, tuple) and record.args else None
            _HEARD.append(in_words(found[1]) if found[1] else _of_kind(last))


logging.getLogger("aiokafka").addHandler(_Listener())


def last_heard() -> str:
    """What the client said last of a connection that failed."""
    return _HEARD.pop() if _HEARD else NO_CONNECTION


def said(error: BaseException) -> str:
    """What is known of a failure, without the names of classes and without addresses as Python writes them."""
    text = str(error).removeprefix(f"{type(error).__name__}: ")
    if text.startswith("Unable to bootstrap"):
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
    for pattern, words in _MEANT:
        if found := pattern.search(text):
            return words.format(*found.groups())
    found = _SYSTEM.search(text)
    if found and int(found[1]) > 0:
        return os.strerror(int(found[1]))
    return _SYSTEM.sub("", text).strip() or NO_CONNECTION


def tells_of_closing(log: str) -> bool:
    """Whether lines of a log, as the client or we wrote them, say that a broker closes connections."""
    return CLOSED in log or _HANGS_UP.search(log) is not None


def why_failed(error: Exception) -> str:
    """Why a connection did not come about, from the client's error of it."""
    return in_words(str(error)) if str(error) else _of_kind(error)


def _of_kind(error: object) -> str:
    """Of a failure without a text: by the kind of it."""
    if isinstance(error, TimeoutError):
        return LATE
    return CLOSED if isinstance(error, ConnectionError) else NO_CONNECTION
