"""The pytest plugin of refold: the fixture ``sim``.

One rule: it imports nothing of refold before a test asks for it.  Pytest loads plugins before anything is measured, so what they import
would be missing from every report of coverage; that is also why it stands beside the packages and not in one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from refold_adapters.simulation import Simulation

_simulations = pytest.StashKey["list[Simulation]"]()


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[Callable[..., Simulation]]:
    """Makes simulations: ``sim(workflows=[...], activities=[...])``, see ``refold_adapters.simulation.Simulation``.

    At the end of the test each of them is closed, and every run in it is replayed.  Of a test that fails, the timelines of all runs are
    shown.
    """
    from refold_adapters.simulation import Simulation

    made: list[Simulation] = []
    item: pytest.Item = request.node
    item.stash[_simulations] = made
    with ExitStack() as stack:

        def make(*args: Any, **options: Any) -> Simulation:
            simulation = stack.enter_context(Simulation(*args, **options))
            made.append(simulation)
            return simulation

        yield make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failing test what its runs did."""
    report = yield
    if report.failed:
        none: list[Simulation] = []
        for simulation in item.stash.get(_simulations, none):
            report.sections.extend(_told(simulation))
    return report


def _told(simulation: Simulation) -> Iterator[tuple[str, str]]:
    from refold_adapters.operating.inspection import read_history
    from refold_adapters.testing.timeline import timeline

    for row in simulation.rows():
        history = read_history(simulation.store, row.run_id)
        yield f"what happened to {row.workflow_type} {row.workflow_id!r}", timeline(history)
