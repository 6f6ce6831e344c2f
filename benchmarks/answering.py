"""The other end of ``peering``: answers measurements on standard input with one line of JSON each.

One rule: nothing is imported here that could be part of anyone's import time.
"""

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def answer(hello: "dict[str, Any]", measures: "Mapping[str, Callable[..., dict[str, Any]]]") -> None:
    """Serve until the input ends.  What the measured library prints goes to standard error."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def reply(value: "dict[str, Any]") -> None:
        replies.write(json.dumps(value) + "\n")
        replies.flush()

    reply(hello)
    for line in sys.stdin:
        request = json.loads(line)
        measure = request.pop("measure")
        reply({**hello, "measure": measure, **request, **measures[measure](**request)})


def resident_bytes() -> int:
    """Memory of this process that is in RAM; 0 where /proc does not tell."""
    try:
        with open("/proc/self/statm") as statm:  # noqa: PTH123 - pathlib would be imported here first
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
