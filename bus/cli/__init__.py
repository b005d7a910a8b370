"""`bus`: one module per noun, loaded only when called; the modules hold no logic."""

import errno
import importlib
import sys

import click

from bus.errors import BusError, FileUnusable, KafkaRefused

COMMANDS = {
    "up": ("bus.cli.up:up", "Start a bus on this machine: Kafka, PostgreSQL and every stage."),
    "down": ("bus.cli.down:down", "End everything that `bus up` started."),
    "status": ("bus.cli.status:status", "Show what runs here, where, and how it fares."),
    "demo": ("bus.cli.demo:demo", "Run a small country for a day and check what every agency got."),
    "agency": ("bus.cli.agency:agency", "Recipients: list them, and see what one of them sees."),
    "agreement": ("bus.cli.agreement:agreement", "Sharing agreements: from a first text to their end."),
    "connector": ("bus.cli.connector:connector", "Connectors of the registries: list, status, run."),
    "consent": ("bus.cli.consent:consent", "Give, withdraw and show a citizen's consents."),
    "country": ("bus.cli.country:country", "The pretend country: make it, run its day, keep it busy."),
    "key": ("bus.cli.key:key", "Keys of people and offices, with which they sign the steps of agreements."),
    "deadletter": ("bus.cli.deadletter:deadletter", "Records that could not be read: list, show, release, discard."),
    "flows": ("bus.cli.flows:flows", "What flows under each agreement, live."),
    "disclosures": ("bus.cli.disclosures:disclosures", "What went out about one person, and on which ground."),
    "lanes": ("bus.cli.lanes:lanes", "Where each lane of the router stands, live."),
    "route": ("bus.cli.route:route", "Hold flows up, let them go on, have them judged again, check them."),
    "register": ("bus.cli.register:register", "The register of facts: show it, load agencies and agreements."),
    "serve": ("bus.cli.serve:serve", "Run one stage of the bus as a process."),
    "bench": ("bus.cli.bench:bench", "Measure the bus on this machine: speed, latency, withdrawals."),
}
"""Name → (module:attribute, one line of help): so that `bus --help` imports nothing."""


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What writing an answer ends with where it is led to a full disk."""

INTERRUPTED = 130
"""The exit code after Ctrl-C, where that is not how a command is meant to end."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one command; None for an unknown name."""
        del ctx
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; one that is interrupted ends with the code that shells know for that."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\ninterrupted", err=True)
            ctx.exit(INTERRUPTED)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="national-data-bus", prog_name="bus")
def cli() -> None:
    """The national data bus: registries publish, agencies receive what an agreement and the law let them have.

    Start with `bus demo`, or `bus up` and then `bus status`. BUS_HOME names the folder of all state (default .bus).
    """


def main() -> None:
    """The entry point: an error of the bus, of a file or of Kafka is told in two lines, never as a traceback."""
    try:
        cli()
    except BusError as error:
        _end(error)
    except OSError as error:
        if error.filename is None and error.errno not in _NO_ROOM:
            raise
        _end(FileUnusable(file=error.filename or "the place that the output goes to", reason=error.strerror))
    except Exception as error:
        if not is_of_a_client(error):
            raise
        from bus.kafka.words import said  # noqa: PLC0415 - keeps `bus --help` quick

        _end(KafkaRefused(reason=said(error)))


def is_of_a_client(error: Exception) -> bool:
    """Whether an error is one of the two Kafka clients."""
    return type(error).__module__.partition(".")[0] in {"aiokafka", "cimpl"}


def _end(error: BusError) -> None:
    click.echo("\n".join(error.lines), err=True)
    sys.exit(error.exit_code)
