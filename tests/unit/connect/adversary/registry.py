"""What the play asks of a registry, and the manifest of its connector."""

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from bus.connect.manifest import Manifest
from bus.connect.source import Source
from bus.connect.standing import Standing
from tests.unit.connect.adversary.table import DATASETS, Table

FIELDS = {"id": "ma", "holder": "chu", "worth": "gia"}
ORIGINS = {dataset: dataset.partition(".")[2] for dataset in DATASETS}


def manifest_of(kind: str, datasets: Sequence[str] = DATASETS, *, drift: str = "discard", **section: Any) -> Manifest:
    """The manifest of a connector with some of the datasets."""
    secret = {"column": "mat", "values": ["x"]}
    rules = {
        name: {"origin": ORIGINS[name], "fields": FIELDS, "state_secret": secret, "drift": drift} for name in datasets
    }
    words = {"name": "test", "registry": "test", "kind": kind, "datasets": rules}
    return Manifest.model_validate(words | ({kind: section} if section else {}))


class Registry(Protocol):
    """What the play does with a registry."""

    table: Table
    skipped: bool
    """Whether some of what happened was in no history that the connector could read."""
    compares: ClassVar[bool]
    """Whether what is as it was published is not published again."""

    def act(self) -> None:
        """Something happens there."""
        ...

    def settle(self) -> None:
        """No trouble from now on; all that is under way comes to its end."""
        ...

    def source(self) -> tuple[Source, Manifest]:
        """The source of a new process."""
        ...

    def read(self, standing: Standing) -> bool:
        """Whether a connector that stands there has read everything."""
        ...
