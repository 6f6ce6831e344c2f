"""What the laws have found: each as the smallest program and schedule that showed it."""

from __future__ import annotations

import pytest

from property_tests.programs import Fail, Receive, Seq
from property_tests.schedules import Live, Move, Schedule, play
from refold import Divergence, NondeterminismError, fold
from refold.codec import decode_events, encode_events


def test_a_signal_that_is_no_longer_received_is_a_divergence_though_no_result_shows_it() -> None:
    conversation = play(Seq((Receive("a"), Fail("Small"))), Schedule((Move("signal a"),)))
    with pytest.raises(NondeterminismError, match="unreceived") as caught:
        Live(Seq((Fail("Small"),)), conversation.history)
    assert isinstance(caught.value.divergence, Divergence)
    assert 1 == caught.value.divergence.turn


def test_a_run_that_was_started_without_arguments_is_the_fold_of_its_stored_history() -> None:
    conversation = play(Seq((Receive("a"),)), Schedule())
    stored = decode_events(encode_events(conversation.history))
    assert conversation.history == stored
    assert fold(stored) == conversation.execution.state
