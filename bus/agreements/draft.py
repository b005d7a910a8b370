"""The first text of a new agreement: every key that must be there, and the dataset's fields to choose from."""

from collections.abc import Sequence
from datetime import date

from bus.agreements.finding import words_of
from bus.agreements.jsonschema import schema_line
from bus.avro.datasets import Dataset


def first_draft(  # noqa: PLR0913 - each is a thing of its own that a person chose
    name: str, dataset: Dataset, recipient: str, *, languages: Sequence[str], language: str, day: date
) -> str:
    """YAML to be completed by a person. It has findings until that is done, so that it cannot be handed in as it is."""
    words, categories = words_of(language)["draft"], words_of(language)["show"]["categories"]
    blank = ", ".join(f'{one}: ""' for one in languages)
    people = dataset.subject is not None
    fields = [one for one in dataset.fields if one.name != dataset.subject]
    rows = [f"  # - {one.name:24}  # {categories[one.category]}: {one.said(language)}" for one in fields]
    chosen = [f"  - {dataset.subject}"] if people else []
    return "\n".join(
        [
            schema_line(language),
            f"# {words['head']}",
            f"id: {name}",
            f"title: {{{blank}}}",
            f"dataset: {dataset.name}",
            f"recipient: {recipient}",
            f'purpose: {{code: "", {blank}}}',
            f"basis: {{consent: required}}  # {words['basis']}" if people else 'basis: {statutory: "", article: ""}',
            f"identifier: {'personal-id' if people else 'none'}",
            f"# filter: …  # {words['filter']}",
            f"fields:  # {words['fields']}",
            *chosen,
            *rows,
            "retention: P1Y",
            f"valid: {{from: {day.isoformat()}}}",
            f"examples: []  # {words['examples']}",
            "",
        ]
    )
