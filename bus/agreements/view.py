"""The view of an agreement: the schema of what its recipient gets, and the function that cuts it from a record.

The view says of the dataset only what it releases: released fields keep doc and category; nothing else is carried over,
neither other fields nor the attributes that name subject and record id.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from bus.agreements.document import AgreementDocument, FieldRule, Transform, TransformKind
from bus.agreements.shape import PYTHON_TYPES, Kind, Shape, shape_of
from bus.agreements.transforms import GIVES, Read, Surroundings, change_of
from bus.avro.datasets import Dataset, DatasetField
from bus.avro.names import NAMED, self_contained
from bus.avro.said import on_the_bus_alone
from bus.avro.slicer import Stretch, stretches
from bus.errors import FieldMissing


def view_schema(document: AgreementDocument, dataset: Dataset) -> dict[str, Any]:
    """The Avro schema of the view: a record `agency.<recipient>.<AgreementInCamelCase>`.

    Types defined inside stand in a namespace of the agreement's own, so that two views of a recipient never clash.
    """
    namespace = f"agency.{document.recipient.replace('-', '_')}"
    inner = f"{namespace}.{document.id.replace('-', '_')}"
    record = {
        "type": "record",
        "name": f"{namespace}.{''.join(word.capitalize() for word in document.id.split('-'))}",
        "doc": _doc(document),
        "fields": [_view_field(rule, dataset, inner) for rule in document.fields],
    }
    contained: dict[str, Any] = self_contained(record, namespace, _defined(record))
    name, _, short = contained["name"].rpartition(".")
    return {"type": "record", "name": short, "namespace": name, **{k: contained[k] for k in ("doc", "fields")}}


def province_source(field: Mapping[str, Any]) -> str | int | None:
    """Where the province of a place code stands, as the dataset's schema says by the attribute `province`.

    A text names the field of the same record that holds it; a number says how many leading characters it is.
    """
    source = field.get("province")
    return source if isinstance(source, str | int) and not isinstance(source, bool) else None


def place_field(dataset: Dataset) -> str | None:
    """The field by whose values the dataset's records are told apart by place, as its schema marks it, or None."""
    for field in dataset.schema["fields"]:
        source = province_source(field)
        if source is not None:
            return source if isinstance(source, str) else str(field["name"])
    return None


def schema_field(dataset: Dataset, name: str) -> Mapping[str, Any]:
    """A field of the dataset's schema, as it stands there."""
    return next(one for one in dataset.schema["fields"] if one["name"] == name)


def compile_view(
    document: AgreementDocument, dataset: Dataset, pseudonym: Callable[[str], str]
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The function that cuts the view from a record with raw Avro values. It raises FieldMissing."""
    around = Surroundings(pseudonym, document.timezone, document.valid.from_)
    shapes = shape_of(dataset.schema).fields
    readers = tuple(
        (rule.view_name, rule.name, _reader(rule, shapes[rule.name], dataset, around)) for rule in document.fields
    )

    def view(record: Mapping[str, Any]) -> dict[str, Any]:
        cut = {}
        for view_name, name, read in readers:
            try:
                cut[view_name] = read(record)
            except (KeyError, TypeError, ValueError, OverflowError):
                raise FieldMissing(field=name, agreement=document.id) from None
        return cut

    return view


def view_cuts(document: AgreementDocument, dataset: Dataset) -> tuple[Stretch, ...] | None:
    """The view as stretches of the dataset's fields, where its bytes are theirs; None where some value must be made.

    A nullable field is written in the view with null as its first branch.
    """
    types = {one["name"]: one["type"] for one in dataset.schema["fields"]}
    for rule in document.fields:
        known, avro = dataset.field(rule.name), types[rule.name]
        assert known is not None, "checked before"
        if rule.transform is not None or (known.nullable and not (isinstance(avro, list) and avro[0] == "null")):
            return None
    return tuple(stretches(list(types), [rule.name for rule in document.fields]))


def view_reads(document: AgreementDocument, dataset: Dataset) -> frozenset[str]:
    """The fields that the view is made of."""
    sources = (province_source(schema_field(dataset, rule.name)) for rule in document.fields)
    return frozenset(rule.name for rule in document.fields) | {one for one in sources if isinstance(one, str)}


def _doc(document: AgreementDocument) -> str:
    """The title in every language, for those who read the schema."""
    return " / ".join(document.title[language] for language in sorted(document.title))


def _view_field(rule: FieldRule, dataset: Dataset, namespace: str) -> dict[str, Any]:
    known = dataset.field(rule.name)
    assert known is not None, "checked before"
    avro = _renamed(deepcopy(known.type), namespace)
    nullable = known.nullable
    if rule.transform is not None:
        avro = GIVES[rule.transform.kind]
        nullable = _nullable_after(rule.transform.kind, known, dataset)
    field = {"name": rule.view_name, "type": avro, "doc": known.doc, "category": str(known.category)}
    if known.identifies and rule.transform is None:
        field["identifies"] = True
    if nullable:
        field |= {"type": ["null", *avro] if isinstance(avro, list) else ["null", avro], "default": None}
    if rule.transform is not None:
        field |= {"transform": rule.transform.kind.value, "doc": f"{known.doc} Given as {_how(rule.transform)}."}
    return field


def _how(transform: Transform) -> str:
    """The transform as an agreement writes it, for those who read the view's schema."""
    argument = list(transform.argument) if isinstance(transform.argument, tuple) else transform.argument
    return transform.kind.value if argument is None else f"{transform.kind.value} {argument}"


def _nullable_after(kind: TransformKind, known: DatasetField, dataset: Dataset) -> bool:
    if kind is TransformKind.PRESENT:
        return False
    source = province_source(schema_field(dataset, known.name)) if kind is TransformKind.PROVINCE else None
    other = dataset.field(source) if isinstance(source, str) else None
    return known.nullable or (other is not None and other.nullable)


def _renamed(avro: Any, namespace: str) -> Any:
    """The same type with its named types, and what refers to them, in another namespace."""
    if isinstance(avro, list):
        return [_renamed(branch, namespace) for branch in avro]
    if isinstance(avro, str):
        return f"{namespace}.{avro.rpartition('.')[2]}" if "." in avro else avro
    copy = dict(avro)
    if copy.get("type") in NAMED:
        copy["name"] = f"{namespace}.{copy['name'].rpartition('.')[2]}"
    for place in ("type", "items", "values"):
        if place in copy:
            copy[place] = _renamed(copy[place], namespace)
    if "fields" in copy:
        copy["fields"] = [
            {**{key: kept for key, kept in one.items() if not on_the_bus_alone(key)}, "type": avro}
            for one in copy["fields"]
            for avro in (_renamed(one["type"], namespace),)
        ]
    return copy


def _defined(avro: Any) -> dict[str, Any]:
    """The first definition of each named type; their names are full already."""
    found: dict[str, Any] = {}
    if isinstance(avro, list):
        for branch in avro:
            found = {**_defined(branch), **found}
    elif isinstance(avro, dict):
        if avro.get("type") in NAMED:
            found[avro["name"]] = avro
        for part in (
            *(one["type"] for one in avro.get("fields", ())),
            *(avro.get(k) for k in ("type", "items", "values")),
        ):
            found = {**_defined(part), **found}
    return found


def _reader(rule: FieldRule, shape: Shape, dataset: Dataset, around: Surroundings) -> Read:
    name, transform = rule.name, rule.transform
    if transform is None:
        return _as_it_is(name, shape)
    plain = _as_it_is(name, shape)
    if transform.kind is TransformKind.PROVINCE:
        return _province(plain, province_source(schema_field(dataset, name)), dataset)
    change = change_of(transform, shape, around)
    if transform.kind is TransformKind.PRESENT:
        return lambda record: change(plain(record))
    return lambda record: None if (value := plain(record)) is None else change(value)


def _as_it_is(name: str, shape: Shape) -> Read:
    """The value, which must be there and of its type, so that whatever `view` returns can be written."""
    types, symbols, known = PYTHON_TYPES.get(shape.kind), frozenset(shape.symbols), _known_of(shape)

    def read(record: Mapping[str, Any]) -> Any:
        value = record[name]
        if value is None:
            if not shape.nullable:
                raise TypeError(name)
        elif (types is not None and type(value) not in types) or (symbols and value not in symbols):
            raise TypeError(name)
        return value if known is None else known(value)

    return read


def _known_of(shape: Shape) -> Callable[[Any], Any] | None:
    """Leaves out of records inside a value what the dataset's schema does not know; None where there are none.

    A record that was written by a newer schema has more, and who reads the view knows nothing of it.
    """
    if shape.kind is Kind.LIST and shape.item is not None:
        item = _known_of(shape.item)
        return None if item is None else lambda value: None if value is None else [item(one) for one in value]
    if shape.kind is not Kind.RECORD:
        return None
    parts = [(name, _known_of(inner)) for name, inner in shape.fields.items()]

    def known(value: Any) -> Any:
        if value is None:
            return None
        return {name: value[name] if part is None else part(value[name]) for name, part in parts}

    return known


def _province(plain: Read, source: str | int | None, dataset: Dataset) -> Read:
    if isinstance(source, int):
        length = source
        return lambda record: None if (value := plain(record)) is None else value[:length]
    assert source is not None, "checked before"
    other = _as_it_is(source, shape_of(dataset.schema).fields[source])
    return lambda record: None if plain(record) is None else other(record)
