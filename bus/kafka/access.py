"""How one Kafka user reaches the broker, in the words of either client library."""

import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
    def makes_users(self) -> bool:
        """Whether the bus makes users there: only those who log in by SCRAM can be made from outside."""
        return self.gives_rights and (self.sasl_mechanism or "").startswith("SCRAM")

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

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        if self.certificate_file:
            context.load_cert_chain(str(self.certificate_file), str(self.key_file) if self.key_file else None)
        return context
