"""Checks the options of a worker, where it is made: with an impossible one it would stand still, and say nothing.

One rule: what passes here can be carried out.  It knows nothing of what the options are for.
"""

from __future__ import annotations

from datetime import timedelta

from refold_adapters.runtime_errors import ExecutionError

LEASE_MAX = timedelta(days=1)


def check_options(lease: object, **counts: object) -> None:
    """Raise RF5113 for a lease or a number of things at a time that no worker could work with."""
    for name, count in counts.items():
        least = 0 if name == "max_cached_workflows" else 1  # with no cache each turn replays, which works
        if not isinstance(count, int) or isinstance(count, bool) or count < least:
            raise _refused(name, count, f"it must be a whole number of at least {least}")
    if not isinstance(lease, timedelta) or not timedelta(0) < lease <= LEASE_MAX:
        raise _refused("lease", lease, f"it must be a timedelta of more than zero and at most {LEASE_MAX}")


def _refused(name: str, value: object, why: str) -> ExecutionError:
    return ExecutionError(
        "RF5113",
        f"the worker's option {name}={value!r} is not acceptable",
        why=why,
        fix="pass another value, or leave the option out",
    )
