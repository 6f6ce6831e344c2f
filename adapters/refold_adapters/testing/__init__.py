"""Tests of workflows: playbooks, searches for schedules that break a property, and replays of exported histories.

Install it with ``pip install 'refold[testing]'``.  A playbook and a search need nothing else; random schedules need Hypothesis, the
rest pytest.
"""

import importlib
import typing

from refold_adapters.testing.errors import KitError, PlaybookError
from refold_adapters.testing.exploring import explore
from refold_adapters.testing.playbook import Playbook
from refold_adapters.testing.run import Effect, Run
from refold_adapters.testing.scope import cancel, signal, update

if typing.TYPE_CHECKING:
    from refold_adapters.testing.drawing import runs
    from refold_adapters.testing.histories import replay_histories

__all__ = [
    "Effect",
    "KitError",
    "Playbook",
    "PlaybookError",
    "Run",
    "cancel",
    "explore",
    "replay_histories",
    "runs",
    "signal",
    "update",
]

#: What needs more than the base install: name to module.
_LATER = {
    "replay_histories": "refold_adapters.testing.histories",
    "runs": "refold_adapters.testing.drawing",
}


def __getattr__(name: str) -> typing.Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
