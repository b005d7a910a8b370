"""What every error is made of, and wrong use: of a command, a setting, a file."""

from typing import ClassVar


class BusError(Exception):
    """The root: a message and a remedy, both templates filled from keyword arguments."""

    message: ClassVar[str] = "something went wrong"
    remedy: ClassVar[str] = "See the log."
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1
    spoken: tuple[str, str] | None = None
    """The two lines in the reader's language, where a command knows one."""

    def __init__(self, **details: object) -> None:
        self.details = details
        super().__init__(self.message.format(**details))

    @property
    def how_to_mend(self) -> str:
        """The remedy with its places filled."""
        return self.remedy.format(**self.details)

    @property
    def lines(self) -> tuple[str, str]:
        """What a command prints of it."""
        return self.spoken or (f"error: {self}", f"remedy: {self.how_to_mend}")


class WrongUse(BusError):
    """A command was called with words that do not fit together."""

    message = "{what}"
    remedy = "{instead}"
    exit_code = 2


class NotFound(BusError):
    """A named thing is not in the register."""

    message = "there is no {kind} named {name}"
    remedy = "Known: {known}."
    exit_code = 2


class FileUnusable(BusError):
    """A file or folder that a command was given, or must write, can't be used."""

    message = "{file} cannot be used ({reason})"
    remedy = "Check that it is there and that you may read and write it, or name another place."
    exit_code = 2


class SettingMissing(BusError):
    """An environment variable is not set that something else makes necessary."""

    message = "{variable} is not set, and {why}"
    remedy = "It means: {meaning}. Set it, or see bus/platform/README.md."
    exit_code = 2


class SettingWrong(BusError):
    """An environment variable holds what it can't; its value is not repeated, for it may be a secret."""

    message = "{variable} is set to what it cannot be: {reason}"
    remedy = "It means: {meaning}. Unset it to take the default, or see bus/platform/README.md."
    exit_code = 2
