"""The error codes of the Confluent API; the first three digits are the HTTP status."""

from enum import IntEnum


class Code(IntEnum):
    """What `error_code` says."""

    UNAUTHORIZED = 40101
    SUBJECT_NOT_FOUND = 40401
    VERSION_NOT_FOUND = 40402
    SCHEMA_NOT_FOUND = 40403
    SUBJECT_SOFT_DELETED = 40404
    SUBJECT_NOT_SOFT_DELETED = 40405
    VERSION_SOFT_DELETED = 40406
    VERSION_NOT_SOFT_DELETED = 40407
    NO_OWN_LEVEL = 40408
    NO_OWN_MODE = 40409
    INCOMPATIBLE = 409
    INVALID_REQUEST = 422
    INVALID_SCHEMA = 42201
    INVALID_VERSION = 42202
    INVALID_LEVEL = 42203
    INVALID_MODE = 42204
    NOT_PERMITTED = 42205
    INVALID_SUBJECT = 42208
    STORE_FAILED = 50001

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self if self < 1000 else self // 100
