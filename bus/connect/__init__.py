"""The kit with which a registry joins: a source and a manifest in, exactly-once changes out.

What a connector needs is here; `connectors/README.md` shows how it fits together.
"""

from bus.connect.feed import FeedSource
from bus.connect.files import FilesSource
from bus.connect.manifest import Manifest, load_manifest
from bus.connect.place import Place
from bus.connect.postgres.source import PostgresSource
from bus.connect.source import Row
from bus.connect.sql import SqlSource

__all__ = ["FeedSource", "FilesSource", "Manifest", "Place", "PostgresSource", "Row", "SqlSource", "load_manifest"]
