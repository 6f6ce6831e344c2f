"""Threads for jobs: as many as there are jobs, up to the limit, and none that is lost with a job that fails."""

from __future__ import annotations

import threading

from refold_adapters.hosting.threads import Threads


def test_a_job_waits_for_a_thread_where_all_are_busy_and_is_not_lent_one():
    threads = Threads(1, "test")
    begun, go, done = threading.Event(), threading.Event(), threading.Event()

    def occupy() -> None:
        begun.set()
        go.wait()

    threads.give(occupy)
    threads.give(done.set)
    assert begun.wait(10)
    assert not threads.lend(done.set)
    assert not done.is_set()
    go.set()
    assert done.wait(10)
    threads.close()


def test_jobs_at_the_same_time_have_threads_of_their_own():
    threads = Threads(3, "test")
    meeting = threading.Barrier(4)
    for _ in range(3):
        threads.give(meeting.wait)
    meeting.wait(10)
    threads.close()


def test_a_job_that_fails_takes_no_thread_with_it(caplog):
    threads = Threads(1, "test")
    done = threading.Event()
    threads.give(lambda: 1 // 0)
    threads.give(done.set)
    assert done.wait(10)
    assert ["a job of the threads test failed"] == [record.getMessage() for record in caplog.records]
    threads.close()


def test_a_closed_pool_takes_nothing_and_its_threads_end():
    threads = Threads(2, "closing")
    meeting = threading.Barrier(3)
    threads.give(meeting.wait)
    threads.give(meeting.wait)
    meeting.wait(10)
    workers = [each for each in threading.enumerate() if each.name.startswith("closing_")]
    assert 2 == len(workers)
    threads.close()
    for each in workers:
        each.join(10)
    ran: list[int] = []
    threads.give(lambda: ran.append(1))
    assert not threads.lend(lambda: ran.append(2))
    assert [] == ran
    assert not any(each.is_alive() for each in workers)
