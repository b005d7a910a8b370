# ruff: noqa: INP001 - the folder of a connector is no package: it is loaded by its path
"""The source of the bench's connector: as an integrator would write it."""

from pathlib import Path

from bus.connect import PostgresSource, load_manifest


class Source(PostgresSource):
    """Followed by logical replication after a snapshot."""

    manifest = load_manifest(Path(__file__).with_name("manifest.yaml"))
