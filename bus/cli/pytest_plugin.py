"""The acceptance tests as a plug-in of pytest: `pytest --bus-connector library`, each test an item of its own.

For integrators who already run pytest, alone or beside tests of their own. Passed, failed and skipped (not shown) are
pytest's; so are `-k`, `-x`, `--junitxml`. It costs other sessions nothing: the bus is loaded when a connector is named.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bus.connect.acceptance.report import Line, Trial

OPTION = "--bus-connector"
ROWS_OPTION = "--bus-rows"
ROWS = 1000


class AcceptanceFailed(Exception):
    """What must hold does not; the text counts and names columns, and holds no value."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, in a group of their own."""
    group = parser.getgroup("bus", "acceptance tests of connectors")
    group.addoption(
        OPTION, action="append", default=[], metavar="NAME|FOLDER", help="Put this connector to the test; repeatable."
    )
    group.addoption(
        ROWS_OPTION, type=int, default=ROWS, metavar="N", help="How many rows of each dataset (%(default)s)."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Where a connector is named and no path, its tests alone run."""
    if config.getoption(OPTION) and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []


@pytest.hookimpl(tryfirst=True)  # before `-k` and `-m` choose
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """The tests of every connector that was named, in their order."""
    for connector in config.getoption(OPTION):
        items += _items(session, connector, config.getoption(ROWS_OPTION))


def _items(session: pytest.Session, connector: str, rows: int) -> Iterator[pytest.Item]:
    from bus.cli.trying import case_of  # noqa: PLC0415 - sessions without a connector load nothing
    from bus.connect.acceptance.report import Trial, nothing_personal_is_logged  # noqa: PLC0415
    from bus.connect.acceptance.tests import TESTS  # noqa: PLC0415
    from bus.errors import BusError  # noqa: PLC0415

    try:
        name, case = case_of(connector, rows)
    except BusError as error:
        raise pytest.UsageError(*error.lines) from None
    parent = AcceptanceTests.from_parent(session, name=name, nodeid=name)
    trial = Trial(case)
    for test in (*TESTS, nothing_personal_is_logged):
        yield AcceptanceTest.from_parent(parent, name=test.__name__, trial=trial, test=test)


class AcceptanceTests(pytest.Collector):
    """A connector under test."""

    def collect(self) -> list[pytest.Item]:
        """Its tests are made with it."""
        return []


class AcceptanceTest(pytest.Item):
    """One acceptance test of one connector; `nothing_personal_is_logged` judges those that ran before it."""

    def __init__(self, *, trial: "Trial", test: Any, **words: Any) -> None:
        super().__init__(**words)
        self._trial = trial
        self._test = test

    def runtest(self) -> None:
        """Raises AcceptanceFailed; skips what the source cannot show."""
        from bus.connect.acceptance.case import Verdict  # noqa: PLC0415 - as above

        line = asyncio.run(self._line())
        self.add_report_section(
            "call", "verdict", f"{line.sentence}\n{line.result.verdict.value}: {line.result.detail}"
        )
        if line.result.verdict is Verdict.NOT_SHOWN:
            pytest.skip(line.result.detail)
        if line.result.verdict is Verdict.FAILED:
            raise AcceptanceFailed(f"{line.sentence}\n{line.result.detail}")

    async def _line(self) -> "Line":
        from bus.connect.acceptance.report import nothing_personal_is_logged  # noqa: PLC0415 - as above

        return await (
            self._trial.ended() if self._test is nothing_personal_is_logged else self._trial.tried(self._test)
        )

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The sentence and what was found; a traceback would only show the kit."""
        return str(excinfo.value) if excinfo.errisinstance(AcceptanceFailed) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, None, str]:
        """The connector and the test."""
        return self.path, None, self.nodeid
