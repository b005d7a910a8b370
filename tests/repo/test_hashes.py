"""Nothing personal is hashed without a key: who holds a list of ids could otherwise find out whose a hash is."""

import ast
from collections.abc import Iterator

from tests.repo.tree import named, python

HASHES = frozenset({"hashlib", "zlib", "binascii", "hmac"})
UNKEYED = {
    "bus/agreements/document.py: revision": "the text of an agreement, which is public",
    "bus/avro/registry/submitted.py: _checked": "a schema",
    "bus/connect/files.py: _digest": "a whole file of an export, to know it again; stays in the connector's position",
    "bus/connect/known.py: digest": "what is published already; stays in the memory of the connector",
    "bus/connect/place.py: key": "the settings of a source with its password, to make a key of them",
    "bus/connect/postgres/catalog.py: slot_name": "the name of a connector, to tell those apart that begin alike",
    "bus/register/published.py: fingerprint": "a public key",
    "bus/route/foresight/judge.py: drawn": "which records a sample holds; thrown away at once",
    "bus/route/store/stored.py: _put_due": "a place in a lane's store, where the key itself lies too",
    "bus/route/store/tables.py: _slot": "the end of a key too long for a lane's store, where the key itself lies too",
    "bus/platform/account.py: as_other_account": "the path of a home",
    "bus/platform/jars.py: _sha256": "a downloaded jar",
}
"""Where something is hashed without a key: what, and so why it may be."""


def hashing(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Each call that hashes, with the function around it."""
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in HASHES
        for alias in node.names
    }
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and _hashes(node.func, imported):
                    yield function.name, node


def _hashes(called: ast.expr, imported: set[str]) -> bool:
    if isinstance(called, ast.Attribute):
        return isinstance(called.value, ast.Name) and called.value.id in HASHES
    return isinstance(called, ast.Name) and called.id in {*imported, "hash"}


def keyed(call: ast.Call) -> bool:
    """Whether a key goes into it: BLAKE2's own, or that of an HMAC."""
    of_hmac = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
    of_hmac = of_hmac and call.func.value.id == "hmac"  # type: ignore[attr-defined]  # seen in the line before
    return of_hmac or any(keyword.arg == "key" for keyword in call.keywords)


def test_hashes_have_keys() -> None:
    """A hash in the bus or a connector has a key, or stands in the list with what it is of; and the list is whole."""
    found = {
        f"{named(path)}: {function}"
        for path, tree in python("bus", "connectors")
        for function, call in hashing(tree)
        if not keyed(call)
    }
    assert found == UNKEYED.keys()
