"""`bus key`, as far as it needs no bus."""

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
