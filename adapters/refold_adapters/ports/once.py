"""A write that is done once, however often it is asked for."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from refold.value import Value
from refold_adapters.ports.administration import ChangeRun, CopyRun, DeleteRun
from refold_adapters.ports.writes import ChangeTask, CommitTurn, FinishTask, RetryTask, UnparkRuns

#: What people ask for, and may ask for again where they heard no answer.
Askable: TypeAlias = (
    ChangeRun | ChangeTask | CommitTurn | CopyRun | DeleteRun | FinishTask | RetryTask | UnparkRuns
)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Once(Value):
    """Carry out a write, or none, and note the request for it; ``Repeated`` where it is noted already: then nothing is done.

    Else what the write is answered, ``Done`` without one.  It is noted only where the write was done, in the same commit.  The note is
    seen by ``Store.find_answer``, is no part of any run, and goes by ``ExpireRuns`` as tombstones do.
    """

    request: str
    write: Askable | None
    #: What whoever asks again is told (opaque).
    answer: bytes = b""
