"""Checks the options of a worker, where it is made: with an impossible one it would stand still, and say nothing.

One rule: what passes here can be carried out.  It knows nothing of what the options are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import Enum

import attrs

from refold.ids import checked_id
from refold_adapters.runtime_errors import ExecutionError

LEASE_MAX = timedelta(days=1)


class VersioningBehavior(str, Enum):
    """What becomes of a run when there is a newer build of its code."""

    #: It stays with the build that made its first turn, until it is moved.
    PINNED = "PINNED"
    #: Any worker takes it, so its code has to fit every history: ``patched`` and replaying before a deployment see to that.
    AUTO_UPGRADE = "AUTO_UPGRADE"


@attrs.frozen(eq=False, repr=False)
class Builds:
    """The builds whose runs a worker can run, and the one that it pins those to that it begins."""

    served: tuple[str, ...] = ()
    pin_to: str | None = None

    @classmethod
    def checked(cls, build_id: str | None, serves: Sequence[str], behavior: VersioningBehavior) -> Builds:
        """From the options of a worker; raises RF1003 for a name that is none, RF5113 for a text where a list is meant."""
        if isinstance(serves, str):
            raise _refused("serves", serves, "it must be a list of build ids")
        names = [*([] if build_id is None else [build_id]), *serves]
        served = tuple(dict.fromkeys(checked_id(name, "build id") for name in names))
        return cls(served, build_id if behavior is VersioningBehavior.PINNED else None)


def check_options(lease: object, **counts: object) -> None:
    """Raise RF5113 for a lease or a number of things at a time that no worker could work with."""
    for name, count in counts.items():
        if name == "max_activity_processes" and count is None:
            continue  # as many as there are processors
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
