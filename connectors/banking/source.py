"""The database of bank accounts: Excel files in a folder."""

from pathlib import Path

from bus.connect import FilesSource, load_manifest


class Source(FilesSource):
    """Read file by file; all that it needs is in the manifest."""

    manifest = load_manifest(Path(__file__).with_name("manifest.yaml"))
