"""Replays recorded histories, from each of their turns, in a process of its own: ``python -m tests.replaying FOLDER``.

The process may have another hash seed, locale or time zone than the one that recorded them; nothing of that may show.
"""

from __future__ import annotations

import sys
from pathlib import Path

from refold import Execution
from refold.codec import decode_events, encode_events
from tests.recordings import SAMPLES, record, recordings, sample_named


def write_all(folder: Path) -> int:
    """Write every recording to a file ``NAME SEED``; returns how many turns they have."""
    turns = 0
    for sample in SAMPLES:
        name = sample.definition.name
        for recording in recordings(name):
            (folder / f"{name} {recording.seed}").write_bytes(encode_events(recording.history))
            turns += len(recording.steps)
    return turns


def replay_all(folder: Path) -> int:
    """Replay every prefix of every file, and record the run again, to the same bytes; returns how many turns it saw."""
    turns = 0
    for path in sorted(folder.iterdir()):
        name, seed = path.name.split()
        sample = sample_named(name)
        history = decode_events(path.read_bytes())
        for turn in range(1, history[-1].turn + 1):
            prefix = [event for event in history if event.turn <= turn]
            with Execution.load(sample.definition, prefix) as loaded:
                assert turn == loaded.state.turn
                assert () == loaded.warnings
            turns += 1
        assert path.read_bytes() == encode_events(record(sample, int(seed)).history), path.name
    return turns


if __name__ == "__main__":
    print(replay_all(Path(sys.argv[1])))
