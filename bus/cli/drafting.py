"""`bus agreement new`: a first text, empty with the fields to choose from, or a copy of one that comes close."""

from pathlib import Path

import click

from bus.agreements.document import NAME
from bus.agreements.draft import first_draft
from bus.agreements.edit import with_value
from bus.agreements.finding import nearest
from bus.agreements.jsonschema import language_of_line, names_a_schema, schema_file, schema_line, schema_text
from bus.cli.ground import Ground, grounded, sound, today
from bus.cli.speaking import SpokenCommand, misuse
from bus.errors import NotFound


@click.command(cls=SpokenCommand)
@click.argument("name")
@click.option("--dataset", help="What is to be shared: registry.dataset.")
@click.option("--recipient", help="The agency that is to receive.")
@click.option("--like", metavar="ID|FILE", help="Begin from this text: an id of the country's folder, or a file.")
@grounded
def new(ground: Ground, name: str, *, dataset: str | None, recipient: str | None, like: str | None) -> None:
    """Write NAME.yaml here: a first text, with the dataset's fields to choose from.

    With --like it is a copy of another text, with its comments and layout; only the name, and the recipient if one is
    given, are others, and the first line names a schema. That lies beside it: agreement.schema.json, or with --lang vi
    agreement.schema.vi.json. With it an editor completes keys and tells what they mean.
    """
    if NAME.match(name) is None:
        raise misuse(ground.language, "bad-name", name=name)
    if recipient is not None:
        _receives(ground, recipient)
    file = Path(f"{name}.yaml")
    if file.exists():
        raise misuse(ground.language, "file-exists", file=str(file))
    if like is not None:
        if dataset is not None:
            raise misuse(ground.language, "like-dataset")
        text = _copied(ground, like, name, recipient)
    elif dataset is not None and recipient is not None:
        text = _drafted(ground, name, dataset, recipient)
    else:
        raise misuse(ground.language, "new-what")
    file.write_bytes(text.encode())
    named = language_of_line(text)
    if named is not None and not Path(schema_file(named)).exists():
        Path(schema_file(named)).write_text(schema_text(named), encoding="utf-8")
    click.echo(f"{file}")


def _copied(ground: Ground, like: str, name: str, recipient: str | None) -> str:
    """Another text under a new name, otherwise character by character as it was; a line for editors stands above it."""
    sound(ground.find(like), ground)
    text = ground.path(like).read_bytes().decode()
    try:
        text = with_value(text, "id", name)
        text = text if recipient is None else with_value(text, "recipient", recipient)
    except KeyError as error:
        raise misuse(ground.language, "not-plain", file=like, key=str(error.args[0])) from None
    line_end = "\r\n" if "\r\n" in text else "\n"
    return text if names_a_schema(text) else f"{schema_line(ground.language)}{line_end}{text}"


def _drafted(ground: Ground, name: str, dataset: str, recipient: str) -> str:
    if dataset not in ground.datasets:
        raise NotFound(kind="dataset", name=dataset, known=_known(dataset, sorted(ground.datasets)))
    languages = ground.agencies.languages
    return first_draft(
        name, ground.datasets[dataset], recipient, languages=languages, language=ground.language, day=today()
    )


def _receives(ground: Ground, recipient: str) -> None:
    """Raises NotFound; WrongUse for an agency that receives nothing."""
    receiving = [one.id for one in ground.agencies.agencies if one.receives]
    agency = ground.agencies.agency(recipient)
    if agency is None:
        raise NotFound(kind="agency", name=recipient, known=_known(recipient, receiving))
    if not agency.receives:
        raise misuse(ground.language, "not-a-recipient", name=recipient, known=", ".join(receiving))


def _known(text: str, names: list[str]) -> str:
    """The names that there are, the one that was likely to be meant first."""
    close = nearest(text, names)
    return ", ".join(sorted(names, key=lambda one: one != close))
