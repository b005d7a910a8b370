"""How one Kafka user reaches the broker, in the words of either client library."""

import contextlib
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bus.errors import SettingWrong

SCRAM = "SCRAM-SHA-256"
"""How users of the local broker log in."""


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """A bootstrap address and an identity. `repr` hides the password."""

    bootstrap: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    rights: bool = True
    """Whether the bus may make users and give rights there, or finds all of it as it must be."""

    def __repr__(self) -> str:
        return f"KafkaAccess({self.bootstrap}, {self.security_protocol}, user={self.username})"

    @property
    def has_identity(self) -> bool:
        """Whether the broker knows who we are; without it there are no rights to speak of."""
        return self.username is not None

    @property
    def gives_rights(self) -> bool:
        """Whether the bus gives its users their rights there."""
        return self.has_identity and self.rights

    @property
    def knows_users_of_the_bus(self) -> bool:
        """Whether the bus has users of its own there: only those who log in by SCRAM can be made from outside."""
        return self.rights and (self.sasl_mechanism or "").startswith("SCRAM")

    @property
    def makes_users(self) -> bool:
        """Whether the bus, as who it is there, makes those users."""
        return self.has_identity and self.knows_users_of_the_bus

    def as_user(self, username: str, password: str) -> "KafkaAccess":
        """The same broker as another user, who logs in by the same mechanism."""
        return replace(self, username=username, password=password)

    def for_aiokafka(self) -> dict[str, Any]:
        """Keyword arguments of every aiokafka client."""
        words: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "security_protocol": self.security_protocol}
        if self.security_protocol.startswith("SASL"):
            words |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        if self.security_protocol.endswith("SSL"):
            words["ssl_context"] = self._tls()
        return words

    def for_confluent(self) -> dict[str, Any]:
        """Configuration of every confluent-kafka client."""
        words: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "security.protocol": self.security_protocol}
        if self.security_protocol.startswith("SASL"):
            words |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password,
            }
        files = {
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.certificate_file,
            "ssl.key.location": self.key_file,
        }
        return words | {name: str(path) for name, path in files.items() if path}

    def require_files(self) -> None:
        """Return if the files of certificates can be used, where TLS is spoken at all. Raises SettingWrong."""
        if self.security_protocol.endswith("SSL"):
            self._tls()

    def files_as_of_now(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Differs from what it was before where a file of certificates was renewed."""
        return tuple(_as_of_now(path) for path in (self.ca_file, self.certificate_file, self.key_file))

    def load_into(self, context: ssl.SSLContext) -> None:
        """The certificates into a context. Raises SettingWrong."""
        with _told_as("BUS_KAFKA_CA_FILE", "certificate authority, PEM"):
            if self.ca_file:
                context.load_verify_locations(_readable(self.ca_file))
            else:
                context.load_default_certs()
        if self.certificate_file:
            with _told_as("BUS_KAFKA_KEY_FILE", "client key, PEM, without a passphrase"):
                key = _readable(self.key_file)
            with _told_as("BUS_KAFKA_CERTIFICATE_FILE", "client certificate, PEM, that goes with BUS_KAFKA_KEY_FILE"):
                # with a password in hand, and be it an empty one, nobody is asked for one on the terminal
                context.load_cert_chain(_readable(self.certificate_file) or "", key, password="")

    def _tls(self) -> ssl.SSLContext:
        context = _Renewed(ssl.PROTOCOL_TLS_CLIENT)
        context.begin(self)
        return context


class _Renewed(ssl.SSLContext):
    """Reads the files of certificates again for the next connection, where they were renewed while a process runs."""

    _access: KafkaAccess
    _loaded: object

    def begin(self, access: KafkaAccess) -> None:
        """Raises SettingWrong."""
        if sys.version_info >= (3, 13):  # as `ssl.create_default_context` does
            self.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
        self._access, self._loaded = access, access.files_as_of_now()
        access.load_into(self)

    def wrap_bio(self, *words: Any, **named: Any) -> ssl.SSLObject:
        """As a client of asyncio begins to speak TLS. Files that are just being written are read with the next one."""
        now = self._access.files_as_of_now()
        if now != self._loaded:
            with contextlib.suppress(SettingWrong):
                self._access.load_into(self)
                self._loaded = now
        return super().wrap_bio(*words, **named)


def _as_of_now(path: Path | None) -> tuple[int, int, int] | None:
    with contextlib.suppress(OSError):
        if path is not None:
            found = path.stat()
            return found.st_ino, found.st_mtime_ns, found.st_size
    return None


def _readable(path: Path | None) -> str | None:
    """The path, as text, of a file that can be read; the library would not say which one can't."""
    if path is not None:
        path.read_bytes()
    return str(path) if path else None


@contextlib.contextmanager
def _told_as(variable: str, meaning: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        reason = (error.reason or "no PEM that can be read").replace("_", " ").lower()
        raise SettingWrong(variable=variable, reason=reason, meaning=meaning) from error
    except OSError as error:
        raise SettingWrong(variable=variable, reason=f"{error.filename}: {error.strerror}", meaning=meaning) from error
