"""Settings that hold for every test.

Property tests take their number of examples from the profile, so that `make slow` can raise all of them at once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from refold import open_executions
from tests.feature_rows import unproven

# The contract of stores is a suite that ships: its asserts are to explain themselves like those of the tests here.
pytest.register_assert_rewrite("refold_adapters.contract")

# A shared machine may pause a test at any point, so there is no deadline on one example: pytest's timeout bounds the whole.
settings.register_profile("refold", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("slow", settings.get_profile("refold"), max_examples=10_000)
settings.load_profile("refold")


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database on the PostgreSQL server of this test run."""
    from tests.postgres import server_url

    return server_url(request.config, tmp_path_factory.getbasetemp())


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty store."""
    from tests.postgres import store_url

    with store_url(postgres_server) as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store is to be: one of each kind."""
    match request.param:
        case "memory":
            return "memory:"
        case "sqlite":
            return str(tmp_path / "runs.db")
        case _:
            url: str = request.getfixturevalue("postgres_url")
            return url


@pytest.fixture(params=["sqlite", "postgres"])
def lasting_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store is to be that outlives the process that opens it: one of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "runs.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


#: The tests that have passed, without their parameters.
_passed: dict[str, bool] = {}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """No test leaves an execution open: it would be counted by a later one of its process."""
    yield
    left = open_executions()
    for execution in left:
        execution.close()
    if left:
        pytest.fail(f"{item.nodeid} leaves open: {[each.definition.name for each in left]}", pytrace=False)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what has passed; the process that reports hears of the tests of all processes."""
    if report.when == "call":
        name = report.nodeid.partition("[")[0]
        _passed[name] = report.passed and _passed.get(name, True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """After a run of the whole suite, every test that the table of features names must have run and passed."""
    config = session.config
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.keyword
    if hasattr(config, "workerinput") or not is_whole or exitstatus or config.option.collectonly:
        return
    if missing := unproven(_passed):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        writer = config.get_terminal_writer()
        writer.line()
        for each in missing:
            writer.line(f"FAILED {each} is named in the table of features, and did not run and pass")
