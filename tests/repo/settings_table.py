"""The table of settings in bus/platform/README.md, made from bus/settings.py.

`python -m tests.repo.settings_table` writes it anew between its two marks; a test compares.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic_settings import BaseSettings

from bus import settings

README = Path(__file__).parents[2] / "bus/platform/README.md"
BEGIN = "<!-- settings: made from bus/settings.py by `python -m tests.repo.settings_table` -->\n"
END = "<!-- end of settings -->"


def sections() -> Iterator[type[BaseSettings]]:
    """The classes of bus/settings.py, in their order there."""
    for kind in vars(settings).values():
        if isinstance(kind, type) and issubclass(kind, BaseSettings) and kind is not BaseSettings:
            yield kind


def variables() -> Iterator[tuple[str, str, str]]:
    """Each environment variable, its default as one would write it, and what it is."""
    for section in sections():
        prefix = section.model_config.get("env_prefix", "")
        for name, field in section.model_fields.items():
            default = "" if field.default in {None, ""} else f"`{str(field.default).lower()}`"
            if isinstance(field.default, str | Path) and field.default != "":
                default = f"`{field.default}`"
            yield f"{prefix}{name}".upper(), default, field.description or ""


def table() -> str:
    """The table in Markdown."""
    rows = [f"| `{name}` | {default} | {text} |" for name, default, text in variables()]
    return "\n".join(["| variable | default | what it is |", "|---|---|---|", *rows]) + "\n"


def written(text: str) -> str:
    """What stands between the marks of a README. Raises ValueError when a mark is missing."""
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)]


def renewed(text: str) -> str:
    """The README with the table of today between its marks; the rest as it was."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    old = README.read_text(encoding="utf-8")
    written(old)  # both marks are there, or nothing is written
    README.write_text(renewed(old), encoding="utf-8")
