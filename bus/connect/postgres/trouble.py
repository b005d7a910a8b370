"""What PostgreSQL or the way to it says, without a password; and addresses that cannot be right."""

import re

import psycopg

MALFORMED = "the dsn is malformed"
WRITE_SO = (
    "Write it as postgresql://user:password@host:port/database, with %40 for an @ in the password, %2F for a / and %3A"
    " for a colon."
)
_NUMBER = re.compile(r"\[Errno -?\d+\] ")
_RESERVED = "/@#["


_OF_VALUES = ("22", "23", "P0")
"""The classes of errors whose first line may quote a value of a row, or what a function of the registry says of one."""


def of_postgres(error: psycopg.Error) -> str:
    """Its first line. A malformed address is told by that alone, an error about values by its kind: both are quoted."""
    if (error.sqlstate or "").startswith(_OF_VALUES):
        return f"a value of a row is in the way ({type(error).__name__}, {error.sqlstate})"
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
        return MALFORMED
    said = error.diag.message_primary or str(error).strip().partition("\n")[0]
    return _NUMBER.sub("", said) or "the connection broke off"


def is_malformed(dsn: str) -> bool:
    """Whether an address has letters in its password by which it would be split elsewhere than its writer meant.

    Whatever comes of such an address may quote a part of the password.
    """
    scheme, _, rest = dsn.partition("://")
    if scheme not in {"postgresql", "postgres"}:
        return False
    head, _, tail = rest.partition("?")
    secret = head.rpartition("@")[0]
    return any(letter in secret for letter in _RESERVED) or ("@" in tail and ":" in head and "@" not in head)
