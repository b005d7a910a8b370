"""Commands that speak their reader's language: help, wrong use, and errors of the bus, from the words of agreements.

English stands with the commands and in the catalogue of errors; another language has all of it in its words.
"""

import copy
import os
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import IO, Any

import click
from click.exceptions import NoArgsIsHelpError
from rich.markup import escape

from bus.agreements.finding import LANGUAGES, Finding, words_of
from bus.errors import BusError, WrongUse

_LANGUAGE = "bus.language"
_PLAIN = LANGUAGES[0]
"""The language that needs no translation."""

_BAD_VALUES = {
    "not-there": r"^(?:File|Directory|Path) '(?P<path>.*)' does not exist\.$",
    "is-folder": r"^(?:File|Path) '(?P<path>.*)' is a directory\.$",
    "is-file": r"^(?:Directory|Path) '(?P<path>.*)' is a file\.$",
    "not-one-of": r"^'(?P<value>.*)' is not one of (?P<allowed>.*)\.$",
    "not-a-day": r"^'(?P<value>.*)' is not a date; a date is written YYYY-MM-DD\.$",
    "not-in-range": r"^(?P<value>.*) is not in the range (?P<range>.*)\.$",
    "not-a-number": r"^'(?P<value>.*)' is not a valid integer(?: range)?\.$",
}
"""What click says of a value, by the code of our own sentence."""

_OTHER = {
    "no-command": r"^No such command '(?P<name>.*?)'\.",
    "extra": r"^Got unexpected extra arguments? \((?P<what>.*)\)$",
    "no-value": r"^Option '(?P<option>.*)' requires an argument\.$",
}


class Day(click.DateTime):
    """A day on the command line, told and refused as people write it, not by the signs of a format."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d"])

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """How its help calls it."""
        del param, ctx
        return "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The midnight that begins it. Raises BadParameter."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            return self.fail(f"'{value}' is not a date; a date is written YYYY-MM-DD.", param, ctx)


def locale_language() -> str:
    """The language of the locale, or English."""
    named = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return next((language for language in LANGUAGES if named.lower().startswith(language)), _PLAIN)


def language_of(ctx: click.Context | None) -> str:
    """The language that was asked for anywhere in the command line; else the locale's."""
    asked = None if ctx is None else ctx.meta.get(_LANGUAGE)
    return str(asked or locale_language())


def on_one_line(text: str) -> str:
    """What somebody else wrote, to be shown as part of a line: a new line or an order to the terminal is told as such.

    Nobody may write what looks like another line, or wipe out what stands there.
    """
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def on_drawn_line(text: str) -> str:
    """The same for what `rich` draws, to which some words in brackets are orders too."""
    return escape(on_one_line(text))


def misuse(language: str, code: str, **names: str) -> WrongUse:
    """A command called with words that do not fit, told in a language."""
    words = words_of(language)["misuse"][code]
    return WrongUse(what=words["what"].format(**names), instead=words["instead"].format(**names))


def lines_of(error: BusError, language: str) -> tuple[str, str]:
    """An error and its remedy in a language; in English where the language has no words for it."""
    words = words_of(language).get("errors")
    if words is None:
        return f"error: {error}", f"remedy: {error.how_to_mend}"
    labels, own, told = words["labels"], words.get(type(error).__name__), dict(error.details)
    kind = str(told.get("kind", "")).partition(" of ")
    told["kind"] = " ".join(filter(None, (words["kinds"].get(kind[0], kind[0]), kind[2])))
    told["action"] = words_of(language)["steps"].get(str(told.get("action")), told.get("action"))
    told["refusal"] = words_of(language)["refusals"].get(str(told.get("refusal")), told.get("refusal"))
    reason = told.get("reason")
    if isinstance(reason, Finding):
        told["reason"] = reason.sentence(language)
    elif reason is not None:
        told["reason"] = _begun(str(reason), words["beginnings"])
    message = str(error) if own is None else own["message"].format(**told)
    remedy = error.how_to_mend if own is None else own["remedy"].format(**told)
    return f"{labels['error']}: {message}", f"{labels['remedy']}: {remedy}"


def _begun(reason: str, beginnings: Mapping[str, str]) -> str:
    """A reason whose beginning has words in the language; what others say, Kafka for one, stays as it is."""
    for beginning, said in beginnings.items():
        if reason.startswith(beginning):
            return f"{said}{reason.removeprefix(beginning)}"
    return reason


class _Speaking(click.Command):
    """What commands and groups have in common. `family` is where the words of their help stand, below `help`."""

    family = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note the language first: help and complaints are to be in it too."""
        for number, word in enumerate(args):
            asked = word.removeprefix("--lang=") if word.startswith("--lang=") else None
            if word == "--lang" and number + 1 < len(args):
                asked = args[number + 1]
            if asked in LANGUAGES:
                ctx.meta[_LANGUAGE] = asked
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise _in_words(error, ctx) from None

    def get_help(self, ctx: click.Context) -> str:
        """The help in the reader's language."""
        return self._translated(ctx, "format_help") or super().get_help(ctx)

    def get_usage(self, ctx: click.Context) -> str:
        """The line that says how the command is called."""
        return self._translated(ctx, "format_usage") or super().get_usage(ctx)

    def _translated(self, ctx: click.Context, writer: str) -> str | None:
        """What a writer of click makes of the command in the reader's language; None where that is click's own."""
        words = _help_words(ctx)
        if words is None:
            return None
        formatter = _Formatter(words, ctx)
        getattr(translated(self, words), writer)(ctx, formatter)
        return formatter.getvalue().rstrip("\n")


class SpokenCommand(_Speaking):
    """A command that speaks its reader's language."""


class SpokenGroup(_Speaking, click.Group):
    """A group whose commands do."""

    command_class: type[click.Command] | None = SpokenCommand

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in the order in which they were made, none of them cut short."""
        words = _help_words(ctx)
        commands = self.commands.values()
        shown = commands if words is None else [translated(one, words) for one in commands]
        with formatter.section("Commands"):
            formatter.write_dl([(str(one.name), one.get_short_help_str(200)) for one in shown])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise _in_words(error, ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """An error leaves with what to tell of it."""
        try:
            return super().invoke(ctx)
        except BusError as error:
            error.spoken = lines_of(error, language_of(ctx))
            raise


def translated(command: click.Command, words: Mapping[str, Any]) -> click.Command:
    """A copy of a command whose texts are those of the words."""
    name, spoken = str(command.name), copy.copy(command)
    family = getattr(command, "family", "")
    told_of = words["help"][family] if family else words["help"]
    shared, own = words["help"]["options"], told_of["own-options"].get(name, {})
    spoken.help = told_of["commands"][name]
    spoken.options_metavar = words["help"]["options-metavar"]
    if isinstance(spoken, click.Group):
        spoken.subcommand_metavar = words["help"]["command-metavar"]
    spoken.params = [copy.copy(one) for one in command.params]
    for one in spoken.params:
        if isinstance(one, click.Option):
            one.help = own.get(one.name) or shared[one.name]
    told = own.get("help") or shared["help"]
    option = partial(_help_option, command, told)
    spoken.get_help_option = option  # type: ignore[method-assign]  # of this copy alone
    return spoken


def _help_option(command: click.Command, told: str, ctx: click.Context) -> click.Option | None:
    option = command.get_help_option(ctx)
    if option is not None:
        option = copy.copy(option)
        option.help = told
    return option


def _help_words(ctx: click.Context) -> Mapping[str, Any] | None:
    """The words of a language that is not the commands' own."""
    words = words_of(language_of(ctx))
    return words if "help" in words else None


class _Formatter(click.HelpFormatter):
    """Writes help with the headings of a language."""

    def __init__(self, words: Mapping[str, Any], ctx: click.Context) -> None:
        super().__init__(width=ctx.terminal_width, max_width=ctx.max_content_width)
        self._words = words

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """How the command is called."""
        super().write_usage(prog, args, prefix or self._words["usage"]["usage"])

    def write_heading(self, heading: str) -> None:
        """The head of a section."""
        super().write_heading(self._words["help"]["headings"].get(heading, heading))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Options or commands, with what they are."""
        words = self._words["help"]
        told = [
            (name, text.replace("[default: ", words["default"]).replace("[required]", words["required"]))
            for name, text in rows
        ]
        super().write_dl(told, col_max, col_spacing)


class _SpokenUsageError(click.UsageError):
    """Wrong use, told in a language."""

    def __init__(self, message: str, ctx: click.Context, words: Mapping[str, Any]) -> None:
        super().__init__(message, ctx)
        self._words = words

    def show(self, file: IO[Any] | None = None) -> None:
        """How it is called, where to read on, and what was wrong."""
        assert self.ctx is not None
        lines = [self.ctx.get_usage()]
        if self.ctx.help_option_names:
            option = self.ctx.help_option_names[-1]
            lines.append(self._words["try"].format(command=self.ctx.command_path, option=option))
        lines.append("\n" + self._words["error"].format(message=self.message))
        click.echo("\n".join(lines), file=file, err=file is None)


def _in_words(error: click.UsageError, ctx: click.Context) -> click.UsageError:
    words = _help_words(ctx)
    if words is None or isinstance(error, NoArgsIsHelpError | _SpokenUsageError):
        return error
    usage: Mapping[str, str] = words["usage"]
    return _SpokenUsageError(_complaint(error, ctx, usage), error.ctx or ctx, usage)


def _complaint(error: click.UsageError, ctx: click.Context, words: Mapping[str, str]) -> str:
    match error:
        case click.MissingParameter(param=click.Parameter() as param):
            return words["missing"].format(what=param.get_error_hint(ctx))
        case click.NoSuchOption(option_name=name, possibilities=several):
            told = words["no-option"].format(option=name)
            return f"{told} {words['meant'].format(options=', '.join(sorted(several)))}" if several else told
        case click.BadParameter(param=click.Parameter() as param):
            why = _matched(error.message, _BAD_VALUES, words)
            return words["bad-value"].format(what=param.get_error_hint(ctx), why=why)
    return _matched(error.message, _OTHER, words)


def _matched(message: str, patterns: Mapping[str, str], words: Mapping[str, str]) -> str:
    for code, pattern in patterns.items():
        found = re.search(pattern, message)
        if found is not None:
            return words[code].format(**found.groupdict())
    return message
