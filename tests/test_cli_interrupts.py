"""Interrupts from the keyboard: heard of between things, and what a second one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from refold_adapters.cli.interrupts import Interruptible
from tests.cli_driving import PATIENCE_SECONDS, environment


def test_an_interrupt_is_not_raised_in_the_midst_of_something_but_ends_the_next_wait() -> None:
    before, gate = signal.getsignal(signal.SIGINT), threading.Event()
    with Interruptible() as interruptible:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interruptible.call(gate.wait)
    gate.set()

    assert before == signal.getsignal(signal.SIGINT)


def test_an_interrupt_ends_the_wait_though_the_call_goes_on() -> None:
    gate = threading.Event()

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        gate.wait()

    with Interruptible() as interruptible, pytest.raises(KeyboardInterrupt):
        interruptible.call(work)
    gate.set()


def test_what_a_call_returns_or_raises_comes_out_of_it() -> None:
    with Interruptible() as interruptible:
        assert 3 == interruptible.call(lambda: 3)
        with pytest.raises(ZeroDivisionError):
            interruptible.call(lambda: 1 // 0)


def test_the_second_interrupt_ends_the_process_where_it_stands() -> None:
    code = (
        "import signal\n"
        "from refold_adapters.cli.interrupts import Interruptible\n"
        "with Interruptible():\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    print('goes on', flush=True)\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    print('never')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert (130, "goes on\n") == (done.returncode, done.stdout)
