"""Values as people write them, to raw Avro and back: a date is 2026-01-31, a point in time has its offset from UTC."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bus.agreements.moments import EPOCH_DAY, read_day, read_moment
from bus.agreements.shape import Kind, Shape

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN: Mapping[Kind, tuple[type, ...]] = {
    Kind.BOOL: (bool,),
    Kind.INT: (int,),
    Kind.DOUBLE: (float, int),
    Kind.TEXT: (str,),
}


class ValueUnfit(ValueError):
    """A written value does not fit its field: `path` says where, `kind` what was due, `allowed` what could stand."""

    def __init__(self, path: tuple[str | int, ...], shape: Shape) -> None:
        self.path, self.kind, self.allowed = path, shape.kind, shape.symbols
        super().__init__(f"{'.'.join(map(str, path))} must be {shape.kind.value}")


class FieldUnknown(ValueError):
    """A written record has a field that the dataset has not: `path` says where, `known` what there is."""

    def __init__(self, path: tuple[str | int, ...], known: tuple[str, ...]) -> None:
        self.path, self.known = path, known
        super().__init__(f"{'.'.join(map(str, path))} is no field")


def raw_record(written: Mapping[str, Any], record: Shape) -> dict[str, Any]:
    """A record with raw Avro values. Fields that can be null and are not written are null; others stay missing.

    Raises ValueUnfit, FieldUnknown.
    """
    return _record(written, record, ())


def written_value(raw: Any, shape: Shape) -> Any:
    """A raw value as people write it; a moment outside the years 1 to 9999, which nobody writes, stays as it is."""
    if raw is None:
        return None
    match shape.kind:
        case Kind.DATE | Kind.TIMESTAMP:
            try:
                return _written_moment(raw, shape)
            except (ValueError, OverflowError):
                return raw
        case Kind.LIST if shape.item is not None:
            return [written_value(item, shape.item) for item in raw]
        case Kind.RECORD:
            return {name: written_value(value, shape.fields[name]) for name, value in raw.items()}
    return raw


def _written_moment(raw: int, shape: Shape) -> str:
    if shape.kind is Kind.DATE:
        return date.fromordinal(raw + EPOCH_DAY).isoformat()
    return (_EPOCH + timedelta(microseconds=raw * 1000 // shape.per_ms)).isoformat().replace("+00:00", "Z")


def _record(written: Mapping[str, Any], record: Shape, path: tuple[str | int, ...]) -> dict[str, Any]:
    for name in written:
        if name not in record.fields:
            raise FieldUnknown((*path, name), tuple(record.fields))
    return {
        name: _raw(written.get(name), shape, (*path, name))
        for name, shape in record.fields.items()
        if name in written or shape.nullable
    }


def _raw(written: Any, shape: Shape, path: tuple[str | int, ...]) -> Any:
    if written is None and shape.nullable:
        return None
    if shape.kind is Kind.OPAQUE or (shape.kind in _PLAIN and type(written) in _PLAIN[shape.kind]):
        return written
    match shape.kind:
        case Kind.ENUM if written in shape.symbols:
            return written
        case Kind.DATE | Kind.TIMESTAMP if isinstance(written, str):
            return _moment(written, shape, path)
        case Kind.LIST if isinstance(written, list) and shape.item is not None:
            return [_raw(item, shape.item, (*path, number)) for number, item in enumerate(written)]
        case Kind.RECORD if isinstance(written, dict):
            return _record(written, shape, path)
    raise ValueUnfit(path, shape)


def _moment(written: str, shape: Shape, path: tuple[str | int, ...]) -> int:
    try:
        if shape.kind is Kind.DATE:
            return read_day(written).toordinal() - EPOCH_DAY
        return (read_moment(written) - _EPOCH) // timedelta(microseconds=1) * shape.per_ms // 1000
    except ValueError:
        raise ValueUnfit(path, shape) from None
