"""`bus serve`: one stage as a process, as `bus up` and compose.yaml start it."""

import asyncio

import click

from bus.settings import Settings


@click.group()
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
