"""Certificates that are renewed while a process runs."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bus.kafka import admin as administration
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin

DAY = dt.timedelta(days=1)


def certify(folder: Path, name: str) -> None:
    """Certificate and key of a name, which vouches for itself."""
    key, now = generate_private_key(SECP256R1()), dt.datetime.now(dt.UTC)
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(names, names, key.public_key(), 7, now - DAY, now + DAY)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    (folder / "own.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / "own.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.fixture
def access(tmp_path: Path) -> KafkaAccess:
    """Who shows a certificate, and trusts those who show the same."""
    certify(tmp_path, "old")
    own, key = tmp_path / "own.pem", tmp_path / "own.key"
    return KafkaAccess("localhost:1", "SSL", ca_file=own, certificate_file=own, key_file=key)


@contextlib.asynccontextmanager
async def broker(access: KafkaAccess) -> AsyncIterator[int]:
    """One that has just started: it shows the certificate that is there now, and asks for it; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(str(access.certificate_file), str(access.key_file))
    context.load_verify_locations(str(access.ca_file))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(1)
            writer.write(b"welcome")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def welcome(port: int, context: ssl.SSLContext) -> bytes:
    """What a client of that context is told; nothing where it is sent away."""
    writer: asyncio.StreamWriter | None = None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        writer.write(b"?")
        return await reader.read()
    except OSError:
        return b""
    finally:
        if writer is not None:
            writer.close()


async def test_the_next_connection_shows_and_trusts_the_new_ones(access: KafkaAccess, tmp_path: Path) -> None:
    """A client that lives on must come back after a renewal, though a file was half written as it asked first."""
    context: ssl.SSLContext = access.for_aiokafka()["ssl_context"]
    async with asyncio.timeout(20):
        async with broker(access) as port:
            assert await welcome(port, context) == b"welcome"
        certify(tmp_path, "new")
        async with broker(access) as port:
            whole = (tmp_path / "own.pem").read_bytes()
            (tmp_path / "own.pem").write_bytes(whole[:100])
            assert await welcome(port, context) == b""
            (tmp_path / "own.pem").write_bytes(whole)
            assert await welcome(port, context) == b"welcome"


def test_administration_reads_them_again(access: KafkaAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether topics are still the same must be seen after a renewal too; a half-written file ends nobody."""
    made = list[dict[str, Any]]()

    def client(words: dict[str, Any]) -> int:
        if not (tmp_path / "own.pem").read_bytes():
            raise KafkaException
        made.append(words)
        return len(made)

    monkeypatch.setattr(administration, "AdminClient", client)
    admin = Admin(access)
    assert [admin._client, admin._client] == [1, 1]
    (tmp_path / "own.pem").write_bytes(b"")
    assert admin._client == 1
    certify(tmp_path, "new")
    assert [admin._client, admin._client] == [2, 2]
