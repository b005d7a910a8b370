"""Where a connector runs: its name, the bus's prefix, and the settings of its source."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bus.errors import ConnectorSettingMissing


@dataclass(frozen=True, slots=True)
class Place:
    """What a source is made with. `repr` hides the settings, for they hold passwords and tokens."""

    connector: str
    prefix: str
    settings: Mapping[str, str] = field(repr=False)

    def setting(self, name: str) -> str:
        """A setting of the source. Raises ConnectorSettingMissing."""
        if not self.settings.get(name):
            raise ConnectorSettingMissing(connector=self.connector, setting=name)
        return self.settings[name]

    def key(self) -> bytes:
        """32 bytes that follow from the settings, passwords and tokens included: for digests of what is personal."""
        return hashlib.blake2b(repr(sorted(self.settings.items())).encode(), digest_size=32).digest()

    def folder(self, name: str) -> Path:
        """A setting that names a folder."""
        return Path(self.setting(name)).expanduser()
