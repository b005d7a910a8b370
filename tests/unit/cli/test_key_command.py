"""`bus key`, as far as it needs no bus."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bus.cli import cli
from bus.errors import WrongUse

NEW = ("--holder", "Nguyễn Văn Ấn", "--agency", "tax-authority", "--role", "recipient")


@pytest.mark.parametrize("name", ["Nguyễn Văn Ấn", "../root.key", "TAX", "a b"])
def test_an_id_that_is_none(tmp_path: Path, name: str) -> None:
    """A key whose secret could not lie in the home is not made, and the command says how ids are."""
    answer = CliRunner(env={"BUS_HOME": str(tmp_path)}).invoke(cli, ["key", "new", name, *NEW])
    assert isinstance(answer.exception, WrongUse)
    assert "tax.desk" in answer.exception.how_to_mend
    assert not [*tmp_path.rglob("*key*/*")]


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    """The public half goes into a new file only: made again, or into a folder that is none, nothing is lost or made."""
    run, file = CliRunner(env={"BUS_HOME": str(tmp_path / "home")}), tmp_path / "desk.json"
    assert run.invoke(cli, ["key", "new", "desk", *NEW, "--out", str(file)]).output == f"{file}\n"
    kept = file.read_text(encoding="utf-8")
    assert json.loads(kept)["holder"] == "Nguyễn Văn Ấn"
    wrong = [("desk", tmp_path / "again.json"), ("head", file), ("head", tmp_path / "no-folder" / "head.json")]
    for name, out in wrong:
        answer = run.invoke(cli, ["key", "new", name, *NEW, "--out", str(out)])
        assert isinstance(answer.exception, WrongUse)
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["desk.json", "home"]
    assert [one.name for one in (tmp_path / "home" / "secrets" / "keys").iterdir()] == ["desk"]
    assert file.read_text(encoding="utf-8") == kept
