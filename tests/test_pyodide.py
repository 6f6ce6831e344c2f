"""The kernel runs unmodified where there is no operating system: in Pyodide, CPython compiled to WebAssembly, on node.

What CPython recorded here is replayed and run again there, to the same bytes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

from refold.codec import encode_events, encode_message
from tests import sample_workflows
from tests.recordings import SAMPLES, recordings
from tests.source_rules import imports_of, modules_under

ROOT = Path(__file__).parents[1]
HERE = ROOT / "tests" / "pyodide"
PYODIDE = "pyodide@314.0.7"
NODE_MAJOR_MIN = 18

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(command: Sequence[str], folder: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which node finds Pyodide."""
    folder = tmp_path_factory.mktemp("pyodide")
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    version = run(["node", "--version"], folder, 20).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0] or 0) < NODE_MAJOR_MIN:
        pytest.skip(f"node is {version or 'broken'}; Pyodide needs {NODE_MAJOR_MIN} or newer")
    (folder / "package.json").write_text('{"private": true}', "utf-8")
    try:
        done = run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", PYODIDE], folder, 120)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not get Pyodide in two minutes: is there a registry?")
    if done.returncode != 0:
        pytest.skip(f"npm did not get Pyodide: {' '.join(done.stderr.split())[:300]}")
    for name in ("load.mjs", "check.py"):
        shutil.copy(HERE / name, folder)
    return folder


def copy_dependencies(folder: Path) -> list[str]:
    """Copy the pure Python files of all that the kernel imports from elsewhere; returns the names of the packages."""
    imported = {
        found.root for module in modules_under(ROOT / "kernel" / "refold") for found in imports_of(module)
    }
    foreign = sorted(imported - sys.stdlib_module_names - {"refold"})
    for name in sorted({each for package in foreign for each in packages_distributions()[package]}):
        for file in distribution(name).files or ():
            if file.suffix == ".py":
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target)
    return foreign


def copy_code(folder: Path) -> None:
    """Copy the workflows that are run, to the same relative paths: their lines stand in the histories."""
    for name in (
        "tests/sample_workflows.py",
        "examples/embedding/quote.py",
        "examples/embedding/plain_loop.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def write_recordings(folder: Path) -> int:
    """Write what the sample workflows were told and what they did; returns how many turns that took."""
    turns = 0
    for sample in SAMPLES:
        name = sample.definition.name
        if sample.definition.fn.__module__ != sample_workflows.__name__:
            continue
        for recording in recordings(name):
            steps = [
                {"at": step.at, "messages": [encode_message(message).decode() for message in step.messages]}
                for step in recording.steps
            ]
            history = encode_events(recording.history).decode()
            path = folder / f"{name}-{recording.seed}.json"
            path.write_text(json.dumps({"workflow": name, "steps": steps, "history": history}), "utf-8")
            turns += len(recording.steps)
    return turns


def test_the_kernel_runs_and_replays_in_pyodide_to_the_same_bytes(node: Path, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("packages", "code", "recordings")}
    for folder in folders.values():
        folder.mkdir()
    assert ["attrs"] == copy_dependencies(folders["packages"])
    copy_code(folders["code"])
    turns = write_recordings(folders["recordings"])

    mounted = {"kernel": ROOT / "kernel", **folders}
    done = run(["node", "load.mjs", *(f"{name}={path}" for name, path in mounted.items())], node, 200)

    assert (0, "") == (done.returncode, done.stderr[-3000:])
    found = json.loads(done.stdout)
    assert found.pop("version").startswith("3.")
    assert {
        "platform": "emscripten",
        "histories": len(list(folders["recordings"].iterdir())),
        "turns": turns,
        "loop": "Amina pays 13",
        "kernel": "/kernel/refold/__init__.py",
    } == found
