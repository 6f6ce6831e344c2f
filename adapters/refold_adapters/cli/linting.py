"""What ``refold lint`` is given, and how it tells what it found.

One rule: a place is written ``file:line:column: CODE``, as ruff writes it, so that editors and CI understand it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from refold_adapters.cli.errors import CliError
from refold_adapters.cli.printing import print_json, say
from refold_adapters.cli.settings import Settings
from refold_adapters.cli.texts import escaped, shortened
from refold_adapters.linting.linter import Report
from refold_adapters.linting.program import Program
from refold_adapters.linting.rules import Finding


def targets_of(words: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """The files and folders that are meant, and the folders in which modules are looked up; raises RF5204."""
    here = Path.cwd()
    folders = [here, *(Path(place) for place in sys.path if place and Path(place) != here)]
    return [_target(word, Program(folders)) for word in words], [here]


def _target(word: str, program: Program) -> Path:
    path = Path(word)
    if path.exists():
        return path
    is_name = all(part.isidentifier() for part in word.split("."))
    found = program.named(word) if is_name else None
    if found is None:
        raise CliError(
            "RF5204",
            f"{shortened(word)!r} is no file, no folder and no module",
            why="there is nothing of that name in the current folder or on the path of modules",
            fix="name a file or a folder, or write module.name",
        )
    return found


def print_report(settings: Settings, report: Report) -> None:
    """The findings, and in a remark how many there are."""
    match settings.output:
        case "jsonl":
            for finding in report.findings:
                print_json(settings, _record(finding))
        case "json":
            print_json(settings, [_record(finding) for finding in report.findings])
        case _:
            for finding in report.findings:
                click.echo(
                    escaped(
                        f"{finding.file}:{finding.line}:{finding.column}: {finding.code} {finding.message}"
                    )
                )
                if finding.path:
                    way = " -> ".join(f"{step.function} ({step.file}:{step.line})" for step in finding.path)
                    click.echo(escaped(f"  via: {way}"))
                click.echo(escaped(f"  fix: {finding.fix}"))
    say(_summary(report))


def _summary(report: Report) -> str:
    looked = f"in {_count(report.workflows, 'workflow')} of {_count(report.files, 'file')}"
    if not report.workflows and not report.findings:
        return f"no workflow was found in {_count(report.files, 'file')}"
    return f"{_count(len(report.findings), 'mistake') if report.findings else 'no mistake'} {looked}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _record(finding: Finding) -> dict[str, Any]:
    return {
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "code": finding.code,
        "message": finding.message,
        "fix": finding.fix,
        "path": [{"function": step.function, "file": step.file, "line": step.line} for step in finding.path],
    }
