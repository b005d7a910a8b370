"""The database of driving licences and vehicles: an HTTP service with a change feed."""

from pathlib import Path

from bus.connect import FeedSource, load_manifest


class Source(FeedSource):
    """Read by sequence; all that it needs is in the manifest."""

    manifest = load_manifest(Path(__file__).with_name("manifest.yaml"))
