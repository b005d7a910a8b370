"""The diploma database: asked by queries."""

from pathlib import Path

from bus.connect import SqlSource, load_manifest


class Source(SqlSource):
    """Read by version, and whole from time to time; all that it needs is in the manifest."""

    manifest = load_manifest(Path(__file__).with_name("manifest.yaml"))
