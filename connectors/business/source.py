"""The business register: enterprises and their representatives, two tables in PostgreSQL."""

from pathlib import Path

from bus.connect import PostgresSource, load_manifest


class Source(PostgresSource):
    """Followed by logical replication; all that it needs is in the manifest."""

    manifest = load_manifest(Path(__file__).with_name("manifest.yaml"))
