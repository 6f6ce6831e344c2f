"""The command in processes of its own: signals, kill -9, pipes and terminals."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from contextlib import closing
from fcntl import ioctl
from pathlib import Path

import attrs
import pytest

from refold_adapters import Client, Engine, open_store
from tests import cli_shop
from tests.cli_driving import (
    PATIENCE_SECONDS,
    ROOT,
    SHOP,
    background,
    command_line,
    environment,
    read_until,
    refold_process,
)

ESCAPE = "\x1b["


@attrs.frozen
class Desk:
    """A store, and the pipes through which its activities speak with the test."""

    store: Path
    mark: Path
    answer: Path

    def start(self, workflow: str, *args: Path, id: str) -> None:
        with closing(open_store(self.store)) as store:
            Client(store).start(workflow, *map(str, args), id=id)

    def wait_until_it_runs(self) -> None:
        """Blocks until an activity says that it runs."""
        assert "here" == self.mark.read_text("utf-8")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "orders.db", tmp_path / "mark", tmp_path / "answer")
    os.mkfifo(desk.mark)
    os.mkfifo(desk.answer)
    return desk


def worker_of(desk: Desk, *options: object) -> tuple[object, ...]:
    return ("--store", desk.store, "worker", "-m", SHOP, *options)


# --- workers -------------------------------------------------------------------------------------------------------------


def test_a_run_survives_kill_9_of_its_worker_and_its_result_is_had_from_another_process(desk: Desk) -> None:
    desk.start("fetch", desk.mark, desk.answer, id="f-1")
    with background(*worker_of(desk)) as first:
        desk.wait_until_it_runs()
        first.send_signal(signal.SIGKILL)
        assert -signal.SIGKILL == first.wait(PATIENCE_SECONDS)
    with background(*worker_of(desk)) as second:
        desk.wait_until_it_runs()
        desk.answer.write_text("found", "utf-8")

        done = refold_process("result", "f-1", "--store", desk.store, "--timeout", "1m")

        second.send_signal(signal.SIGTERM)
        assert 0 == second.wait(PATIENCE_SECONDS)
    assert (0, '"found"\n') == (done.code, done.out)
    steps = json.loads(refold_process("show", "f-1", "--store", desk.store, "-o", "json").out)
    assert 1 == sum(event.get("activity_type") == "greet" for event in steps)


def test_a_run_that_is_moved_to_the_build_of_a_worker_is_taken_by_it_and_no_other_is(desk: Desk) -> None:
    for name in ("here", "there"):
        assert 0 == refold_process(*_start(desk, name), "--build-id", "1").code
    with background(*worker_of(desk, "--build-id", "2")) as worker:
        moved = refold_process("update-options", "here", "--build-id", "2", "--store", desk.store)
        done = refold_process("result", "here", "--store", desk.store, "--timeout", "1m")
        waits = refold_process("result", "there", "--store", desk.store, "--timeout", "0")

        worker.send_signal(signal.SIGTERM)
        assert 0 == worker.wait(PATIENCE_SECONDS)
    assert (0, '"Hello, x!"\n', 6) == (moved.code, done.out, waits.code)


def _start(desk: Desk, name: str) -> tuple[object, ...]:
    return ("start", f"{SHOP}:hello", '"x"', "--id", name, "--store", desk.store)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_worker_that_is_asked_to_stop_lets_running_activities_end(
    desk: Desk, number: signal.Signals
) -> None:
    desk.start("fetch", desk.mark, desk.answer, id="f-1")
    with background(*worker_of(desk, "--grace", "1m", "--identity", "w1")) as worker:
        assert (
            f"worker w1 on sqlite:///{desk.store}, task queue default: 7 workflows, 5 activities\n"
            == read_until(worker, "task queue")
        )
        desk.wait_until_it_runs()
        worker.send_signal(number)
        assert read_until(worker, "stopping").endswith(
            "stopping: running activities may end (once more: at once)\n"
        )
        desk.answer.write_text("in time", "utf-8")

        assert 0 == worker.wait(PATIENCE_SECONDS)
        assert "stopped\n" == read_until(worker, "stopped")
    assert '"in time"\n' == refold_process("result", "f-1", "--store", desk.store, "--timeout", "0").out


def test_a_worker_that_is_asked_twice_ends_at_once(desk: Desk) -> None:
    desk.start("hang", desk.mark, id="h-1")
    with background(*worker_of(desk, "--grace", "1h")) as worker:
        desk.wait_until_it_runs()
        worker.send_signal(signal.SIGTERM)
        read_until(worker, "stopping")
        worker.send_signal(signal.SIGTERM)

        assert 130 == worker.wait(PATIENCE_SECONDS)
        assert "stopped at once\n" == read_until(worker, "stopped")


def test_an_activity_that_does_not_stop_keeps_no_process_alive(desk: Desk) -> None:
    desk.start("hang", desk.mark, id="h-1")
    with background(*worker_of(desk, "--grace", "0")) as worker:
        desk.wait_until_it_runs()
        worker.send_signal(signal.SIGTERM)

        assert 0 == worker.wait(PATIENCE_SECONDS)
    with background(*worker_of(desk, "--grace", "0")):
        desk.wait_until_it_runs()  # it was given back, and another worker has it


def test_a_worker_logs_what_workflows_say_and_what_is_parked_to_stderr(desk: Desk) -> None:
    with closing(open_store(desk.store)) as store:
        Client(store).start("divide", 0, id="d\x9b-1".replace("\x9b", "\u202e"))
    with background(*worker_of(desk, "--log-level", "error")) as worker:
        said = read_until(worker, "fix:")

    assert "ERROR refold.worker: workflow d\\u202e-1 is parked\nRF1110: " in said


# --- run -----------------------------------------------------------------------------------------------------------------


def test_an_interrupted_run_is_kept_and_goes_on_later(desk: Desk) -> None:
    with background("run", f"{SHOP}:approve", '"a desk"', "--store", desk.store) as process:
        workflow_id = read_until(process, "workflow id: ").split()[-1]
        process.send_signal(signal.SIGINT)

        assert 130 == process.wait(PATIENCE_SECONDS)
        assert "interrupted: the run is kept" in read_until(process, "interrupted")
    assert 0 == refold_process("signal", workflow_id, "approval", "true", "--store", desk.store).code
    done = refold_process("run", f"{SHOP}:approve", '""', "--id", workflow_id, "--store", desk.store)
    assert (0, '"a desk"\n') == (done.code, done.out)


def test_the_script_is_installed() -> None:
    script = Path(sys.executable).with_name("refold")
    done = subprocess.run([script, "--version"], capture_output=True, encoding="utf-8", check=True)

    assert done.stdout.startswith("refold 0.")


# --- pipes and encodings ---------------------------------------------------------------------------------------------------


def some_runs(store: Path, *ids: str) -> None:
    with Engine(str(store), workflows=[cli_shop.hello], activities=[cli_shop.greet]) as engine:
        for workflow_id in ids:
            engine.run(cli_shop.hello, "Zoë", id=workflow_id)


@pytest.mark.parametrize("output", ["table", "jsonl"])
def test_a_reader_that_goes_away_is_no_error_message(desk: Desk, output: str) -> None:
    some_runs(desk.store, "h-1")
    read, nobody_reads = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            command_line("list", "--store", desk.store, "-o", output),
            env=environment(),
            stdout=nobody_reads,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    finally:
        os.close(nobody_reads)

    assert (141, "") == (done.returncode, done.stderr)


def test_output_that_cannot_hold_unicode_gets_escapes_and_json_stays_json(desk: Desk) -> None:
    some_runs(desk.store, "注文")
    latin = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}

    table = refold_process("list", "--store", desk.store, **latin)
    record = refold_process("list", "--store", desk.store, "-o", "json", **latin)

    assert "\\u6ce8\\u6587" in table.out
    assert "注文" == json.loads(record.out)[0]["workflow_id"]
    assert (0, 0, "", "") == (table.code, record.code, table.err, record.err)


def test_an_argument_that_is_no_unicode_is_refused(desk: Desk) -> None:
    done = subprocess.run(
        [*command_line("start", "hello", "--store", desk.store), b'"\xff"'],
        env=environment(),
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert 2 == done.returncode
    assert done.stderr.startswith(b"RF1301: a value cannot be stored: ")


# --- terminals -----------------------------------------------------------------------------------------------------------


def on_terminal(*args: object, columns: int, **changes: str) -> str:
    """What a command shows on a terminal that is so many columns wide."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    settings = {
        name: value for name, value in environment(**changes).items() if name not in ("COLUMNS", "NO_COLOR")
    }
    process = subprocess.Popen(
        command_line(*args), env=settings | {"TERM": "xterm"} | changes, stdout=slave, stderr=slave, cwd=ROOT
    )
    os.close(slave)
    shown = b"".join(iter(lambda: _read(master), b""))
    os.close(master)
    assert 0 == process.wait(PATIENCE_SECONDS)
    return shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError as error:
        if error.errno == errno.EIO:  # how Linux says that the other side was closed
            return b""
        raise


def test_a_terminal_gets_colours_and_a_table_that_fits(desk: Desk) -> None:
    some_runs(desk.store, "h-1", "x" * 70)

    shown = on_terminal("list", "--store", desk.store, columns=80)
    plain = on_terminal("list", "--store", desk.store, columns=80, NO_COLOR="1")

    assert f"{ESCAPE}32mCOMPLETED" in shown
    assert ESCAPE + "3" not in plain
    rows = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in plain.split("\n")]
    assert max(map(len, rows)) <= 80
    assert ["STATUS", "STARTED", "TOOK", "EVENTS"] == rows[0].split()[3:7]  # narrow columns are whole
    assert 70 == sum(line.partition(" ")[0].count("x") for line in rows)  # wrapped, not cut


def test_a_terminal_keeps_right_to_left_ids_to_themselves(desk: Desk) -> None:
    some_runs(desk.store, "طلب")

    assert "\u2068طلب\u2069" in on_terminal("list", "--store", desk.store, columns=200)
    assert "\u2068طلب\u2069" in on_terminal("describe", "طلب", "--store", desk.store, columns=200)


def test_markup_in_ids_is_text(desk: Desk) -> None:
    some_runs(desk.store, "[red]x[/]")

    assert "[red]x[/]" in on_terminal("list", "--store", desk.store, columns=200)


def test_long_work_shows_progress_on_a_terminal_and_clears_it(desk: Desk) -> None:
    some_runs(desk.store, "h-1", "h-2")

    exported = on_terminal(
        "export", "--all", "-d", desk.store.parent / "out", "--store", desk.store, columns=100
    )
    replayed = on_terminal("replay", desk.store.parent / "out", "-m", SHOP, columns=100)

    assert "exporting" in exported
    assert f"2 histories written to {desk.store.parent / 'out'}" in exported.replace("\n", "")
    assert "replaying" in replayed
    assert "2/2" in replayed
