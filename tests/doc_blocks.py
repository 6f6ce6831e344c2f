"""Finds the code blocks of a page and does what they say.

One page is one story: its blocks run in order, in one namespace and one folder.

- ``python`` runs.  With ``file=name.py`` it is written to that file instead, for the blocks after it.
- ``output`` after it is what it must have printed.
- ``console`` holds commands after ``$ ``, each followed by what it must print, or by nothing if that does not matter.  A command
  that must fail says so in a comment: ``# exits with 2``.
- ``...`` in an expected output stands for any text in its line, and alone in a line for any lines.
- ``skip-reason="..."`` keeps a ``python`` or ``console`` block from running; it is counted.
- other known languages are for the reader; an unknown one is an error, so that no code hides behind another name.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from attrs import field, frozen

ROOT = Path(__file__).parent.parent
RUN = frozenset({"python", "console"})
SHOWN = frozenset({"output", "text", "toml", "json", "jsonl", "sql", "ini", "make", "diff", "mermaid"})
COMMAND_SECONDS_MAX = 120

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
_EXIT = re.compile(r"#\s*exits with (\d+)\s*$")


@frozen
class Block:
    """One fenced block; ``line`` is that of its first line of code."""

    language: str
    options: Mapping[str, str]
    text: str = field(repr=False)
    line: int

    @property
    def skipped(self) -> bool:
        return "skip-reason" in self.options


def blocks_of(text: str) -> list[Block]:
    """Every fenced block, but for directives such as ``{toctree}``."""
    blocks: list[Block] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        at += 1
        if opening is None:
            continue
        first, indent = at, len(opening["indent"])
        while at < len(lines) and not _closes(lines[at], opening["fence"]):
            at += 1
        if at == len(lines):
            raise ValueError(f"the block that opens in line {first} is never closed")
        body = [line[indent:] for line in lines[first:at]]
        at += 1
        if not opening["info"].startswith("{"):
            blocks.append(_block(opening["info"], "\n".join(body) + "\n", first + 1))
    return blocks


def _closes(line: str, fence: str) -> bool:
    stripped = line.strip()
    return len(stripped) >= len(fence) and stripped == fence[0] * len(stripped)


def _block(info: str, text: str, line: int) -> Block:
    language, *words = shlex.split(info) or [""]
    if language not in RUN | SHOWN:
        raise ValueError(
            f"line {line - 1}: {language!r} is not a language of a block; run ones are {sorted(RUN)}"
        )
    options: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in ("file", "skip-reason") or not equals or not value.strip() or language not in RUN:
            raise ValueError(f"line {line - 1}: {word!r} says nothing about a {language} block")
        options[name] = value
    return Block(language, options, text, line)


def fits(expected: str, actual: str) -> bool:
    """Whether a printed text is what was expected; trailing white space does not count."""
    pattern = ""
    for line in _trimmed(expected):
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += r"[^\n]*?".join(re.escape(part) for part in line.split("...")) + r"\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in _trimmed(actual))) is not None


def _trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def run_page(path: Path, folder: Path) -> None:
    """Run the blocks of a page in ``folder``, which is the current one; raises where the page is wrong."""
    (folder / "examples").symlink_to(ROOT / "examples")  # as in a clone, so that a page may speak of them
    module = ModuleType(f"page_{path.stem}")
    sys.modules[module.__name__] = module  # attrs and dataclasses look annotations up there
    printed: str | None = None
    for block in blocks_of(path.read_text("utf-8")):
        where = f"{path.name}:{block.line}"
        if block.skipped:
            printed = None
        elif block.language == "output":
            assert printed is not None, f"{where}: no python block that ran stands before this output"
            assert fits(block.text, printed), f"{where}: printed was\n{printed}"
        elif block.language == "console":
            run_console(block, folder, where)
            printed = None
        elif "file" in block.options:
            _write(folder, block)
            printed = None
        elif block.language == "python":
            printed = _run_python(block, path, module)


def _write(folder: Path, block: Block) -> None:
    target = (folder / block.options["file"]).resolve()
    assert target.is_relative_to(folder.resolve()), f"{target} is outside of the page's folder"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(block.text, "utf-8")


def _run_python(block: Block, path: Path, module: ModuleType) -> str:
    """Run it in the page's namespace, so that line numbers in errors are those of the page."""
    code = compile("\n" * (block.line - 1) + block.text, str(path), "exec", dont_inherit=True)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, module.__dict__)
    return out.getvalue()


def commands_of(text: str) -> list[tuple[str, str]]:
    """Pairs of a command and its expected output; ``> `` goes on with the command before."""
    pairs: list[tuple[str, str]] = []
    for line in text.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            pairs.append((line[2:], ""))
        elif not pairs:
            raise ValueError(f"a console block must begin with a command, not with {line!r}")
        elif line.startswith("> ") and not pairs[-1][1]:
            pairs[-1] = (f"{pairs[-1][0]}\n{line[2:]}", "")
        else:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]}{line}\n")
    return pairs


def run_console(block: Block, folder: Path, where: str) -> None:
    """Run each command by bash; compare its exit status, and what it prints to either stream."""
    for command, expected in commands_of(block.text):
        exits = _EXIT.search(command)
        done = _bash(command, folder)
        status = int(exits[1]) if exits else 0
        assert status == done.returncode, (
            f"{where}: $ {command}\nended with {done.returncode}:\n{done.stdout}"
        )
        assert not expected or fits(expected, done.stdout), f"{where}: $ {command}\nprinted\n{done.stdout}"


def _bash(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    kept: Sequence[str] = ("HOME", "LANG", "TMPDIR", "SYSTEMROOT")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "PYTHONUTF8": "1",
    }
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=COMMAND_SECONDS_MAX,
        check=False,
    )
