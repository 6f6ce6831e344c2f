"""What is done inside Pyodide: replay what CPython recorded, run it again, and run one of the loops of the examples.

It sees the kernel, its dependencies, the samples and the histories as folders, and nothing else of this repository.
"""

import json
import sys
from pathlib import Path

from examples.embedding import plain_loop, quote
from refold import Execution
from refold.codec import decode_events, decode_message, encode_events
from refold.events import HistoryEvent
from tests import sample_workflows


def check(path: Path) -> int:
    """Replay every prefix of a recording, then tell a new run the same; returns the number of turns."""
    recorded = json.loads(path.read_text("utf-8"))
    definition = getattr(sample_workflows, recorded["workflow"])
    history = decode_events(recorded["history"].encode())
    assert recorded["history"].encode() == encode_events(history)
    for turn in range(1, history[-1].turn + 1):
        Execution.load(definition, [event for event in history if event.turn <= turn]).close()
    made: list[HistoryEvent] = []
    with Execution(definition) as run:
        for step in recorded["steps"]:
            made += run.turn(
                *[decode_message(each.encode()) for each in step["messages"]], at=step["at"]
            ).events
    assert recorded["history"].encode() == encode_events(made), f"{path.name}: {encode_events(made).decode()}"
    return history[-1].turn


paths = sorted(Path("/recordings").iterdir())
turns = [check(path) for path in paths]
loop_turns = list(plain_loop.drive(Path("/run.jsonl"), quote.quote, quote.BEGIN, quote.ACCEPT))

json.dumps(
    {
        "platform": sys.platform,
        "version": sys.version.split()[0],
        "histories": len(paths),
        "turns": sum(turns),
        "loop": getattr(loop_turns[-1].closed, "result", None),
        "kernel": sys.modules["refold"].__file__,
    }
)
