"""Processes that die or work at the same time on one file: what was acknowledged is there, in order and once."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

from refold_adapters import open_store
from refold_adapters.ports import RunFilter

#: Four runs, a thread each, so that commits are shared; every acknowledged turn is printed after the fact.
_WORK = """
import sys, threading
from attrs import evolve
from refold_adapters import open_store
from refold_adapters.contract.base import first_turn, new_run, task, turn
from refold_adapters.ports import CloseSession, Committed, OpenSession

store = open_store(sys.argv[1])
store.apply([CloseSession(token=session.token) for session in store.list_sessions()])
(opened,) = store.apply([OpenSession(identity="w", process="p", lease_us=10**9)])
say = threading.Lock()

def work(run_id):
    store.apply([new_run(run_id)])
    number = store.find_run("", run_id).turn
    while True:
        number += 1
        last = ((number - 1, 1),) if number > 1 else ()
        held = {(found.seq, found.attempt) for found in store.list_tasks(run_id) if found.owner == opened.token}
        write = evolve(
            turn(opened.token, run_id, number),
            data=b"%d " % number * 50,
            consumed=(1,) if number == 1 else (),
            finished=tuple(pair for pair in last if pair in held),
            tasks=(task(number, claimed=True),),
        )
        assert [Committed()] == store.apply([write])
        with say:
            print(run_id, number, flush=True)

for name in "abcd":
    threading.Thread(target=work, args=(name,), daemon=True).start()
threading.Event().wait()
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_every_turn_that_was_acknowledged_survives_kill_9(tmp_path: Path):
    path = tmp_path / "orders.db"
    at_random = random.Random(8)
    acknowledged = dict.fromkeys("abcd", 0)
    for _ in range(8):
        child = start(_WORK, str(path))
        assert child.stdout is not None
        assert child.stdin is not None
        with child, child.stdout, child.stdin:
            lines = [child.stdout.readline() for _ in range(at_random.randint(1, 120))]
            child.kill()
            # What it had printed by the moment it died, was acknowledged too.
            lines += child.stdout.readlines()
        for run_id, number in (line.split() for line in lines if line.endswith("\n")):
            acknowledged[run_id] = max(acknowledged[run_id], int(number))
        store = open_store(path)
        for run_id, number in acknowledged.items():
            turns = store.read_turns(run_id)
            assert list(range(1, len(turns) + 1)) == [found.number for found in turns]
            assert [b"%d " % found.number * 50 for found in turns] == [found.data for found in turns]
            assert number <= len(turns)
            row = store.find_run("", run_id)
            assert (row.turn if row else 0) == len(turns)
        store.close()
    assert sum(acknowledged.values()) > 100
    with sqlite3.connect(path) as connection:
        assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()


#: Opens a file that is not there yet, together with others; sends to a run of all, and turns a run of its own.
_SHARE = """
import sys
from attrs import evolve
from refold_adapters import open_store
from refold_adapters.contract.base import first_turn, new_run, turn
from refold_adapters.ports import AcceptMessage, Committed, OpenSession

path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("here", flush=True)
sys.stdin.readline()
store = open_store(path)
(opened,) = store.apply([OpenSession(identity=name, process=name, lease_us=10**9)])
store.apply([new_run("everybody's"), new_run(name, owner=opened.token), first_turn(opened.token, name)])
sent = []
for number in range(count):
    writes = [
        AcceptMessage(workflow_id="wf-everybody's", data=f"{name} {number}".encode()),
        turn(opened.token, name, number + 2),
    ]
    accepted, committed = store.apply(writes)
    assert committed == Committed(), committed
    sent.append(accepted.message_id)
store.close()
print(opened.token, *sent, flush=True)
"""


def test_processes_that_share_a_file_lose_nothing_of_each_other(tmp_path: Path):
    path, count = tmp_path / "orders.db", 60
    names = ["one", "two", "three", "four"]
    children = [start(_SHARE, str(path), name, str(count)) for name in names]
    for child in children:
        assert child.stdout is not None
        assert "here\n" == child.stdout.readline()
    for child in children:  # all wait on this line, so they make the file together
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    sent: dict[str, list[int]] = {}
    tokens: list[int] = []
    for name, child in zip(names, children, strict=True):
        out, _ = child.communicate()
        assert 0 == child.returncode
        token, *sent[name] = map(int, out.split())
        tokens.append(token)
    store = open_store(path)
    inbox = {message.message_id: message.data.decode() for message in store.list_inbox("everybody's")}
    assert list(range(1, 4 * count + 2)) == list(inbox)
    for name in names:
        assert sorted(sent[name]) == sent[name]
        assert [f"{name} {number}" for number in range(count)] == [inbox[found] for found in sent[name]]
        assert list(range(1, count + 2)) == [found.number for found in store.read_turns(name)]
    assert [1, 2, 3, 4] == sorted(tokens)
    assert 5 == store.count_runs(RunFilter())
    store.close()
