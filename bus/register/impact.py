"""What a dataset's new schema would do, told before it is registered: its difference, and who would feel it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bus.agreements.document import AgreementDocument, TransformKind
from bus.agreements.rules import unfit
from bus.agreements.view import province_source, schema_field, view_schema
from bus.avro.compatibility import unreadable
from bus.avro.datasets import Dataset, dataset_of
from bus.errors import SchemaBreaksAgreements
from bus.register.state import AgreementEntry, DatasetEntry, Standing


class Effect(StrEnum):
    """What an agreement feels of a new schema."""

    NONE = "none"
    BREAKS = "breaks"
    STRANDS = "strands"
    """Copies are held under it, and could not be found again to be erased."""


@dataclass(frozen=True, slots=True)
class Felt:
    """An agreement on the dataset: who receives, how it stands, and what the new schema does to it."""

    agreement: str
    recipient: str
    standing: Standing
    effect: Effect
    reason: str


@dataclass(frozen=True, slots=True)
class Impact:
    """A dataset's new schema against the register. `incompatible`: why older records could not be read with it."""

    dataset: Dataset
    is_new: bool
    differences: tuple[str, ...]
    incompatible: tuple[str, ...]
    felt: tuple[Felt, ...]

    @property
    def broken(self) -> tuple[Felt, ...]:
        """The active agreements that it breaks, and any whose copies it strands: reason enough to refuse it."""
        return tuple(
            one
            for one in self.felt
            if one.effect is Effect.STRANDS or (one.effect is Effect.BREAKS and one.standing is Standing.ACTIVE)
        )


def impact(dataset: Dataset, known: DatasetEntry | None, agreements: Iterable[AgreementEntry]) -> Impact:
    """The impact of a dataset as it is to be; `known` is how the register has it, None for a new one."""
    if known is None:
        return Impact(dataset, True, (), (), ())  # noqa: FBT003 - a field of the value
    old = dataset_of(dict(known.schema), place=known.dataset)
    return Impact(
        dataset,
        is_new=False,
        differences=tuple(differences(old.schema, dataset.schema)),
        incompatible=tuple(str(finding) for finding in unreadable(dataset.schema, old.schema)),
        felt=tuple(
            _felt(entry, old, dataset)
            for entry in agreements
            if entry.document.get("dataset") == dataset.name
            and (entry.standing is not Standing.ENDED or (_rekeyed(old, dataset) and _keeps(entry)))
        ),
    )


def refuse_broken(found: Impact) -> None:
    """Raises SchemaBreaksAgreements, with the list, where a schema would break an active agreement."""
    if found.broken:
        listed = "; ".join(f"{felt.agreement} of {felt.recipient} ({felt.reason})" for felt in found.broken)
        raise SchemaBreaksAgreements(dataset=found.dataset.name, agreements=listed)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two schemas of a dataset, a line each, in the order of the new one."""
    before, after = ({one["name"]: one for one in schema["fields"]} for schema in (old, new))
    found = [f"- {name}" for name in before if name not in after]
    for name, field in after.items():
        if name not in before:
            found.append(f"+ {name}: {_words(field['type'])}, {field['category']}")
        else:
            found += [
                f"~ {name}: {what} {_attribute(before[name], what)} → {_attribute(field, what)}"
                for what in ("type", "category", "identifies", "province", "default", "doc")
                if (what in before[name], before[name].get(what)) != (what in field, field.get(what))
            ]
    found += [
        f"~ {what}: {old.get(what)} → {new.get(what)}"
        for what in ("subject", "record_id")
        if old.get(what) != new.get(what)
    ]
    return found


def _rekeyed(old: Dataset, new: Dataset) -> bool:
    return (old.subject, old.record_id) != (new.subject, new.record_id)


def _keeps(entry: AgreementEntry) -> bool:
    """Whether copies stay with the recipient after its end; what the registry deletes is erased there all the same."""
    return entry.document.get("on_end") == "keep"


def _felt(entry: AgreementEntry, old: Dataset, new: Dataset) -> Felt:
    document = AgreementDocument.model_validate(entry.document)
    if _rekeyed(old, new):
        lost = "subject or record id change: what was released could not be found again to be erased"
        return Felt(entry.agreement, document.recipient, entry.standing, Effect.STRANDS, lost)
    finding = unfit(document, new)
    reason = None if finding is None else finding.sentence()
    if reason is None:
        before, after = (view_schema(document, dataset) for dataset in (old, new))
        if _shape(before) != _shape(after):
            breaks = "; ".join(str(one) for one in unreadable(before, after))
            reason = f"its view would change{f' ({breaks})' if breaks else ''}, and the recipient was given another"
    if reason is None:
        moved = [name for name in _provinces(document) if _province_of(old, name) != _province_of(new, name)]
        reason = f"it would give something else as the province of {', '.join(moved)}" if moved else None
    effect = Effect.NONE if reason is None else Effect.BREAKS
    return Felt(entry.agreement, document.recipient, entry.standing, effect, reason or "its view stays as it is")


def _provinces(document: AgreementDocument) -> list[str]:
    """The fields of which an agreement gives the province."""
    return [one.name for one in document.fields if one.transform and one.transform.kind is TransformKind.PROVINCE]


def _province_of(dataset: Dataset, name: str) -> str | int | None:
    return province_source(schema_field(dataset, name))


_SHAPES = ("type", "name", "items", "values", "symbols", "size", "logicalType", "precision", "scale")


def _shape(schema: Any) -> Any:
    """What of a schema decides how bytes are read and what they mean; texts and categories do not."""
    if isinstance(schema, list):
        return [_shape(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _shape(schema[key]) if key != "symbols" else schema[key] for key in _SHAPES if key in schema}
    return kept | {"fields": [_shape(one) for one in schema["fields"]]} if "fields" in schema else kept


def _attribute(field: Mapping[str, Any], what: str) -> str:
    """An attribute of a field, short; a default that is null is one."""
    return "null" if what in field and field[what] is None else _words(field.get(what))


def _words(value: Any) -> str:
    """A type or an attribute, short."""
    if isinstance(value, list):
        return " | ".join(_words(one) for one in value)
    if isinstance(value, dict):
        word = value.get("logicalType") or (f"enum {value['name']}" if value["type"] == "enum" else value["type"])
        return f"{word} of {_words(value['items'])}" if word == "array" else f"{word}"
    return "none" if value is None else str(value)
