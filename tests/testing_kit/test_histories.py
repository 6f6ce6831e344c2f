"""Exported histories become one test each, and a folder without any is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from refold import ApplicationError, HistoryError, NondeterminismError
from refold.codec import encode_events
from refold_adapters import UnknownTypeError
from refold_adapters.registry import Registry
from refold_adapters.testing import KitError, Playbook, replay_histories
from refold_adapters.testing.histories import replay_file
from tests.testing_kit.shop import charge, listen, note, pay_back, refund


def write(folder: Path, name: str) -> Path:
    with Playbook(pay_back, "o-1") as play:
        play.expects(charge("o-1")).fails(charge, ApplicationError("no")).expects(refund("o-1"))
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(encode_events(play.run.history) + b"\n")
    return file


def test_each_history_in_and_below_a_folder_is_a_case(tmp_path: Path) -> None:
    files = [write(tmp_path, "a.jsonl"), write(tmp_path, "more/b.jsonl")]
    test = replay_histories(tmp_path, workflows=[pay_back])
    [mark] = test.pytestmark  # type: ignore[attr-defined]

    assert files == mark.args[1]
    assert ["a.jsonl", "more/b.jsonl"] == [mark.kwargs["ids"](file) for file in files]
    for file in files:
        test(file)


def test_a_history_that_the_code_does_not_follow_fails(tmp_path: Path) -> None:
    file = write(tmp_path, "a.jsonl")
    file.write_bytes(file.read_bytes().replace(b'"refund"', b'"reward"'))

    with pytest.raises(NondeterminismError, match="reward"):
        replay_file(file, Registry([pay_back]))


def test_what_is_no_history_or_of_no_known_workflow_fails(tmp_path: Path) -> None:
    file = write(tmp_path, "a.jsonl")
    with pytest.raises(UnknownTypeError, match="'pay_back' is not known here"):
        replay_file(file, Registry([listen]))
    file.write_bytes(b"\n".join(file.read_bytes().splitlines()[1:]))
    with pytest.raises(HistoryError, match="no whole history"):
        replay_file(file, Registry([pay_back]))


def test_a_folder_without_histories_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KitError, match=r"RF5304: no \*.jsonl file"):
        replay_histories(tmp_path, workflows=[pay_back])


def test_signals_of_a_history_replay(tmp_path: Path) -> None:
    with Playbook(listen) as play:
        play.signals(note, "a")
    (tmp_path / "c.jsonl").write_bytes(encode_events(play.run.history) + b"\n")

    replay_histories(tmp_path, workflows=[listen])(tmp_path / "c.jsonl")
