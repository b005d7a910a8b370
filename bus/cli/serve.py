"""`bus serve`: one stage as a process, as `bus up` and compose.yaml start it."""

import asyncio
import sys
from typing import Any

import click

from bus.cli import is_of_a_client
from bus.errors import BusError
from bus.settings import Settings
from bus.telemetry import Event, emit, place_of


class Stages(click.Group):
    """The stages: one that ends because of an error says so in its log too, where an operator looks for it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a stage. A foreign error is told by its class and place alone: its text may quote a value."""
        try:
            return super().invoke(ctx)
        except BusError as error:
            emit(Event.PROCESS_FAILED, error=str(error), remedy=error.how_to_mend)
            raise
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception as error:
            emit(Event.PROCESS_FAILED, error=type(error).__name__, place=place_of(error))
            if isinstance(error, OSError) or is_of_a_client(error):  # these are told in words, without a value
                raise
            sys.exit(1)


@click.group(cls=Stages)
def serve() -> None:
    """Run one stage of the bus as a process, until SIGTERM or Ctrl-C.

    `bus up` starts each of these on this machine; on several machines, start them yourself with BUS_KAFKA set.
    """


@serve.command("schema-registry")
def schema_registry() -> None:
    """Serve the Confluent Schema Registry API from the topic `schemas`."""
    from bus.avro.registry.server import run  # noqa: PLC0415 - a stage is imported when it is run

    run(Settings())


@serve.command()
def citizen() -> None:
    """Take consents and withdrawals from the citizens' app and from counters, over HTTP."""
    from bus.citizen.server import run  # noqa: PLC0415 - a stage is imported when it is run

    run(Settings())


@serve.command()
@click.option("--instance", default="route", help="The name of this router among several.", show_default=True)
def route(instance: str) -> None:
    """Decide for each change which agency may have it, and pass it on."""
    from bus.route.process import serve as run  # noqa: PLC0415 - a stage is imported when it is run

    asyncio.run(run(Settings(), instance=instance))


@serve.command()
@click.argument("name")
def connector(name: str) -> None:
    """Publish the changes of one registry; NAME is the connector's."""
    from bus.connect.process import run  # noqa: PLC0415 - a stage is imported when it is run

    run(name, Settings())
