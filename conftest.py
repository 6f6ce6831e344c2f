"""Settings that hold for every test.

Property tests take their number of examples from the profile, so that `make slow` can raise all of them at once.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# The contract of stores is a suite that ships: its asserts are to explain themselves like those of the tests here.
pytest.register_assert_rewrite("refold_adapters.contract")

# A shared machine may pause a test at any point, so there is no deadline on one example: pytest's timeout bounds the whole.
settings.register_profile("refold", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("slow", settings.get_profile("refold"), max_examples=10_000)
settings.load_profile("refold")
