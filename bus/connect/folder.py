"""A connector that is a folder somewhere on this machine, and need not be installed as a package.

The folder holds `manifest.yaml`, `source.py` with a class `Source`, and `schemas/<registry>/<dataset>.avsc`; there may
be agreements on its datasets in `agreements/`. A home remembers where the folders of its connectors lie, so that a
connector is named like an installed one from then on.
"""

import importlib.util
import sys
from pathlib import Path
from traceback import extract_tb
from typing import Any

from bus.connect.manifest import load_manifest
from bus.errors import BusError, ConnectorFolderWrong
from bus.platform.home import write_whole

MANIFEST = "manifest.yaml"
SOURCE = "source.py"
SCHEMAS = "schemas"
_SUFFIX = ".folder"
_FORM = f"`bus connector new` writes a folder that is one; its {MANIFEST} and {SOURCE} show the form."
_NAME_IT = "Name the folder where it lies now, with a slash as in ./library, or let `bus connector new` write one."


def is_folder(text: str) -> bool:
    """Whether a word of a command means a folder, and not the name of a connector."""
    return "/" in text or (Path(text) / MANIFEST).is_file()


def load_folder(folder: Path) -> Any:
    """The source class of a folder. Raises ConnectorFolderWrong, ManifestWrong."""
    if not (folder / MANIFEST).is_file():
        reason = f"it has no {MANIFEST}" if folder.is_dir() else "there is no such folder"
        raise ConnectorFolderWrong(folder=folder, reason=reason, mend=_NAME_IT)
    manifest = load_manifest(folder / MANIFEST)
    name = f"bus_connector_{manifest.name.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, folder / SOURCE)
    if spec is None or spec.loader is None or not (folder / SOURCE).is_file():
        raise ConnectorFolderWrong(folder=folder, reason=f"it has no {SOURCE}", mend=_FORM)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by its name
    try:
        spec.loader.exec_module(module)
    except BusError:
        raise
    except Exception as error:
        mend = f"Mend that line; `python {folder / SOURCE}` shows all of it."
        raise ConnectorFolderWrong(folder=folder, reason=failure(error, folder), mend=mend) from error
    found = getattr(module, "Source", None)
    if found is None or not hasattr(found, "manifest"):
        raise ConnectorFolderWrong(folder=folder, reason=f"{SOURCE} has no class Source with a manifest", mend=_FORM)
    return found


def failure(error: BaseException, folder: Path | None) -> str:
    """What an integrator's own code fails with, and in which of its lines; never a text that may quote a value."""
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or SOURCE).name}, line {error.lineno}: {error.msg}"
    own = lines_of(error, folder) if folder else []
    place = f"{own[-1]}: " if own else ""
    told = f": {error}" if isinstance(error, ImportError | NameError) else ""
    return f"{place}{type(error).__name__}{told}"


def lines_of(error: BaseException, folder: Path) -> list[str]:
    """The lines of the folder's code that an error came through, the innermost last."""
    steps = [(Path(one.filename).absolute(), one.lineno) for one in extract_tb(error.__traceback__)]
    return [f"{file.name}, line {line}" for file, line in steps if file.is_relative_to(folder.absolute())]


def code_of(found: Any) -> Path | None:
    """The folder that a source class was written in."""
    file = getattr(sys.modules.get(found.__module__), "__file__", None)
    return Path(file).parent if file else None


def remember(home: Path, name: str, folder: Path) -> None:
    """Write down where the folder of a connector lies."""
    file = _file(home, name)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(file, f"{folder.absolute()}\n")


def remembered(home: Path, name: str) -> Path | None:
    """Where the folder of a connector lies; None where this home knows of none."""
    file = _file(home, name)
    return Path(file.read_text(encoding="utf-8").strip()) if file.is_file() else None


def remembered_names(home: Path) -> list[str]:
    """The connectors whose folders this home knows."""
    return sorted(file.name.removesuffix(_SUFFIX) for file in (home / "connectors").glob(f"*{_SUFFIX}"))


def forget(home: Path, name: str) -> None:
    """Know no folder of that connector any more; the folder itself stays."""
    _file(home, name).unlink(missing_ok=True)


def _file(home: Path, name: str) -> Path:
    return home / "connectors" / f"{name}{_SUFFIX}"
