"""The wheel is whole: what is installed from it runs without the checkout."""

import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

from tests.repo.tree import ROOT


def test_a_wheel_holds_what_the_bus_reads(tmp_path: Path) -> None:
    """Schemas, the country's texts and the connectors' manifests lie where the code looks for them."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    for folder, ending in (("schemas", ".avsc"), ("seeds", ".yaml"), ("connectors", ".yaml"), ("bus", ".py")):
        wanted = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob(f"*{ending}")}
        assert wanted, folder
        assert wanted <= names


def test_what_is_compiled_is_there() -> None:
    """A module that was moved must not silently be left out of what is compiled."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    listed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]["include"]
    assert [one for one in listed if not (ROOT / one.removeprefix("/")).is_file()] == []
