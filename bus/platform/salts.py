"""The keys that pseudonyms hang on: a random salt for each recipient and epoch, kept in the home beside the root key.

A pseudonym needs the root key and its epoch's salt. Everything else comes from the root key alone and is there as long
as that is; a salt can be destroyed, and with it every way back from the pseudonyms of its epoch, as such, to a person.
Whole records name their event, and the log of disclosures names whose it was, keyed by the root key.
"""

import os
import secrets
from dataclasses import dataclass
from functools import cache

from bus.errors import RootKeyWrong, SaltMissing
from bus.model.keyring import KeyRing, RootKey
from bus.platform.home import ROOT_KEY, Home

SALT_BYTES = ROOT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Salts:
    """The salts in a home, one a file (mode 0600)."""

    home: Home

    def salt(self, recipient: str, epoch: int) -> bytes:
        """The salt of a recipient's epoch. Raises SaltMissing: it is never made by who wants to use it."""
        name = _name(recipient, epoch)
        if not self.home.has_secret(name):
            raise SaltMissing(recipient=recipient, epoch=epoch, file=self.home.secrets / name)
        return bytes.fromhex(self.home.secret(name))

    def begin(self, recipient: str, epoch: int) -> None:
        """Draw the salt of an epoch, unless it is there."""
        self.home.secret(_name(recipient, epoch), lambda: secrets.token_hex(SALT_BYTES))

    def destroy(self, recipient: str, epoch: int) -> None:
        """Write over the salt and remove it; nothing where it is gone already."""
        file = self.home.secrets / _name(recipient, epoch)
        if file.is_file():
            with file.open("r+") as written:
                written.write("0" * file.stat().st_size)
                written.flush()
                os.fsync(written.fileno())
            file.unlink()

    def keyring(self, root_check: str | None = None, *, sketching: bool = False) -> KeyRing:
        """The keys of this home's bus; with `sketching`, what is not there is drawn and forgotten again.

        `root_check` is what the bus's founding tells of its root key. Raises RootKeyWrong for another one than that,
        and RootKeyMissing, where it is not for sketching.
        """
        drawn = cache(lambda _recipient, _epoch: secrets.token_bytes(SALT_BYTES))

        def salt(recipient: str, epoch: int) -> bytes:
            there = not sketching or self.home.has_secret(_name(recipient, epoch))
            return self.salt(recipient, epoch) if there else drawn(recipient, epoch)

        if sketching and not self.home.has_secret(ROOT_KEY):
            return KeyRing(RootKey(secrets.token_bytes(ROOT_BYTES)), salt)
        ring = KeyRing(RootKey(self.home.root_key()), salt)
        if root_check is not None and root_check != ring.root_check():
            raise RootKeyWrong(file=self.home.secrets / ROOT_KEY)
        return ring


def _name(recipient: str, epoch: int) -> str:
    return f"pseudonyms/{recipient}/{epoch}"
