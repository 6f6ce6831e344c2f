"""The laws of the kernel, 1 to 4: each held by a test that fails when the law is broken.

What can be read off the source (law 1) is in ``tests/test_architecture.py``; here the same is held at run time, by traps.  Laws 5 to 7
are in ``test_laws_of_running``.
"""

from __future__ import annotations

import builtins
import io
import logging
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

import refold
from refold import (
    Execution,
    HistoryError,
    NondeterminismError,
    evolve,
    fold,
    initial_state,
)
from refold import events as ev
from refold.codec import decode_events, encode_events
from tests.kernel.driving import drive
from tests.kernel.samples import SAMPLES, ends_of_turns, history_of

ROOT = Path(__file__).parent.parent.parent


# 1: pure ----------------------------------------------------------------------------------------------------------------------

#: What the kernel must not touch: the names that open the world.
WORLD: list[tuple[object, str]] = [
    *[(time, name) for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep")],
    *[(random, name) for name in ("random", "randint", "choice", "shuffle", "getrandbits")],
    *[(os, name) for name in ("urandom", "getenv", "open", "getpid", "fork")],
    *[(uuid, name) for name in ("uuid1", "uuid4", "getnode")],
    (secrets, "token_bytes"),
    (tempfile, "mkstemp"),
    *[(builtins, name) for name in ("open", "print", "input")],
    (io, "open"),
    *[(socket, name) for name in ("socket", "create_connection", "gethostname")],
    (threading.Thread, "start"),
    (logging.Logger, "_log"),
    (os, "environ"),
]


class _Trap:
    """Stands for a part of the world; whoever of the kernel touches it is caught."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any, **named: Any) -> Any:
        raise AssertionError(f"the kernel touched {self.name}")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the kernel touched {self.name}.{name}")


@contextmanager
def no_world() -> Generator[None, None, None]:
    """A world in which there is nothing to touch, for as short as possible."""
    saved = [(place, name, getattr(place, name)) for place, name in WORLD]
    try:
        for place, name, _ in saved:
            setattr(place, name, _Trap(name))
        yield
    finally:
        for place, name, value in saved:
            setattr(place, name, value)


@pytest.mark.parametrize("name", SAMPLES)
def test_law_1_the_kernel_runs_and_replays_in_a_world_without_clock_chance_files_sockets_and_threads(
    name: str,
) -> None:
    sample = SAMPLES[name]
    expected = history_of(name)  # warms up what is imported at first use
    stored = encode_events(expected)
    queries = ["status"]
    with no_world():
        again = history_of(name)
        history = decode_events(stored)
        state = Execution.replay(sample.definition, history)
        with Execution.load(sample.definition, history[: ends_of_turns(history)[0]]) as execution:
            waits = [each.wait for each in execution.waiting()]
            answers = [execution.query(query) for query in queries if query in execution._run.queries]
    assert expected == again
    assert fold(expected) == state
    assert waits
    assert all(answers)


# 2: fold ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_law_2_the_state_is_the_fold_of_the_history_at_every_prefix(name: str) -> None:
    sample = SAMPLES[name]
    live: list[tuple[int, Any]] = []
    with drive(sample.definition, *sample.args, recheck=False) as run:
        single = run.turn

        def watched(*messages: Any, at: int | None = None) -> Any:
            turn = single(*messages, at=at)
            live.append((len(run.history), run.execution.state))
            return turn

        live.append((len(run.history), run.execution.state))
        run.turn = watched  # type: ignore[method-assign]
        sample.course(run)
    for position, state in live:
        assert fold(run.history[:position]) == state
    step = initial_state()
    for position, event in enumerate(run.history, start=1):
        step = evolve(step, event)
        assert fold(run.history[:position]) == step


def test_law_2_a_state_that_was_handed_out_is_not_changed_by_what_comes_after() -> None:
    sample = SAMPLES["branches that unwind"]
    handed_out: list[tuple[Any, Any]] = []
    with drive(sample.definition, recheck=False) as run:
        single = run.turn

        def watched(*messages: Any, at: int | None = None) -> Any:
            state = run.execution.state
            handed_out.append(
                (
                    state,
                    {field.name: _copied(getattr(state, field.name)) for field in attrs.fields(type(state))},
                )
            )
            return single(*messages, at=at)

        run.turn = watched  # type: ignore[method-assign]
        sample.course(run)
    for state, fields in handed_out:
        assert fields == {name: _copied(getattr(state, name)) for name in fields}


def _copied(value: Any) -> Any:
    return dict(value) if hasattr(value, "keys") else value


# 3: replay --------------------------------------------------------------------------------------------------------------------

_ELSEWHERE = """
import sys
from refold import Execution, fold
from refold.codec import decode_events, encode_events
from tests.kernel.samples import GOLDEN, SAMPLES, ends_of_turns, history_of

for name, sample in SAMPLES.items():
    history = history_of(name)
    for end in ends_of_turns(history):
        if Execution.replay(sample.definition, history[:end]) != fold(history[:end]):
            sys.exit(f"{name} differs at {end}")
    for path in GOLDEN.glob(f"*/{name.replace(' ', '-')}.jsonl"):
        Execution.replay(sample.definition, decode_events(path.read_bytes().removesuffix(b"\\n")))
    sys.stdout.buffer.write(encode_events(history) + b"\\n\\n")
"""


def _elsewhere(python: str = sys.executable, **environment: str) -> bytes:
    """What all samples record in another process: the bytes."""
    site = Path(attrs.__file__).parent.parent
    path = os.pathsep.join([str(Path(refold.__file__).parent.parent), str(ROOT), str(site)])
    settings = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run(
        [python, "-c", _ELSEWHERE], env=settings, capture_output=True, timeout=100, check=False
    )
    assert 0 == done.returncode, done.stderr.decode()
    return done.stdout


def _here() -> bytes:
    return b"".join(encode_events(history_of(name)) + b"\n\n" for name in SAMPLES)


@pytest.mark.parametrize("seed", range(8))
def test_law_3_every_prefix_replays_and_the_bytes_are_the_same_under_every_hash_seed(seed: int) -> None:
    assert _here() == _elsewhere(PYTHONHASHSEED=str(seed))


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "TZ": "Pacific/Apia"},
        {"LC_ALL": "de_DE.UTF-8", "TZ": "America/St_Johns", "LANG": "de_DE.UTF-8"},
        {"LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0", "TZ": "Asia/Kathmandu"},
        {"PYTHONOPTIMIZE": "1"},
        {"PYTHONDEVMODE": "1"},
    ],
    ids=lambda environment: " ".join(f"{name}={value}" for name, value in environment.items()),
)
def test_law_3_the_bytes_are_the_same_in_every_locale_time_zone_and_mode(environment: dict[str, str]) -> None:
    assert _here() == _elsewhere(**environment)


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_law_3_the_bytes_are_the_same_on_every_version_of_python(version: str) -> None:
    python = _python(version)
    site = Path(attrs.__file__).parent.parent
    probe = subprocess.run(
        [python, "-c", "import attrs"],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    if probe.returncode:
        pytest.skip(f"{python} cannot import attrs: {probe.stderr.decode().strip().splitlines()[-1]}")
    assert _here() == _elsewhere(python)


def _python(version: str) -> str:
    """An interpreter of that version, from the path or from where pyenv keeps them."""
    known = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    found = shutil.which(f"python{version}") if not known else str(known[-1])
    if found is None:
        pytest.skip(f"there is no Python {version} on this machine")
    works = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60, check=False)
    if works.returncode or not works.stdout.startswith(f"Python {version}"):
        pytest.skip(f"{found} does not run as Python {version}")
    return found


# 4: no silent divergence, no false alarm ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_law_4_both_sides_must_be_used_up_in_every_turn(name: str) -> None:
    definition = SAMPLES[name].definition
    history = history_of(name)
    for end in ends_of_turns(history):  # no false alarm
        Execution.replay(definition, history[:end])
    for index, event in enumerate(history):  # a history with something less, or something else: never silent
        if not event.external and not getattr(event, "deprecated", False):  # such a marker may be missing
            turn_end = next(end for end in ends_of_turns(history) if end > index)
            with pytest.raises(NondeterminismError):
                Execution.replay(definition, _renumbered(history[:index] + history[index + 1 : turn_end]))
            # Behind the end of a run, and for a second time of a patch, it could not even be folded.
            impossible = history[turn_end - 1].terminal or getattr(event, "patch_id", None) is not None
            with pytest.raises(HistoryError if impossible else NondeterminismError):
                Execution.replay(definition, _renumbered([*history[:turn_end], event]))


def _renumbered(history: list[ev.HistoryEvent]) -> list[ev.HistoryEvent]:
    return [attrs.evolve(event, event_id=number) for number, event in enumerate(history, start=1)]
