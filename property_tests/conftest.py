"""Gives a law that fails the time to make its example small: the report of a killed test names none."""

from __future__ import annotations

from pathlib import Path

import pytest

#: Hypothesis gives up shrinking after five minutes.
_SECONDS = 900


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    seconds = max(_SECONDS, config.getoption("timeout") or 0)
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(seconds))
