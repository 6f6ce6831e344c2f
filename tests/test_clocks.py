"""Clocks say what time it is, and a clock that is set by hand wakes those who wait for it."""

from __future__ import annotations

import logging
import time

import pytest

from refold_adapters import ManualClock, SystemClock, open_store


def test_the_system_clock_counts_microseconds_since_1970():
    before = time.time()
    now = SystemClock().now_us()
    assert before - 1 <= now / 1_000_000 <= time.time() + 1


def test_the_system_clock_tells_the_real_seconds_until_a_time():
    clock = SystemClock()
    seconds = clock.seconds_until(clock.now_us() + 10_000_000)
    assert seconds is not None
    assert 5 < seconds <= 10
    assert 0 == clock.seconds_until(clock.now_us() - 10_000_000)


def test_a_manual_clock_stands_still_until_it_is_moved():
    clock = ManualClock(100)
    assert 100 == clock.now_us()
    assert 105 == clock.advance(5)
    assert 105 == clock.now_us()
    clock.set(90)
    assert 90 == clock.now_us()


def test_nobody_knows_how_long_a_manual_clock_stands_still():
    assert ManualClock(100).seconds_until(200) is None


def test_whoever_subscribed_hears_every_move_until_it_stops():
    clock = ManualClock(0)
    heard: list[int] = []
    stop = clock.subscribe(lambda: heard.append(clock.now_us()))
    clock.advance(1)
    clock.set(7)
    stop()
    stop()
    clock.advance(1)
    assert [1, 7] == heard


def test_one_who_fails_keeps_no_other_from_hearing(caplog):
    clock = ManualClock(0)
    heard: list[str] = []

    def fail() -> None:
        raise RuntimeError("its own bug")

    clock.subscribe(fail)
    clock.subscribe(lambda: heard.append("second"))
    with caplog.at_level(logging.ERROR, logger="refold"):
        clock.advance(1)
    assert ["second"] == heard
    assert "its own bug" in caplog.text


def test_a_subscriber_may_stop_itself_or_others_while_it_is_called():
    clock = ManualClock(0)
    heard: list[str] = []

    def first() -> None:
        heard.append("first")
        stop_first()
        stop_second()

    stop_first = clock.subscribe(first)
    stop_second = clock.subscribe(lambda: heard.append("second"))
    clock.advance(1)
    clock.advance(1)
    assert ["first", "second"] == heard


@pytest.mark.parametrize("place", ["memory:", "orders.db"])
def test_a_closed_store_hears_nothing_of_its_clock(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clock = ManualClock(0)
    store = open_store(place, clock)
    heard: list[None] = []
    store.subscribe(lambda: heard.append(None))
    clock.advance(1)
    store.close()
    clock.advance(1)
    assert [None] == heard
