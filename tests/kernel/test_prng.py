"""Random numbers that follow from a seed: frozen vectors, and that they are what they claim to be."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from uuid import RFC_4122

import pytest

from refold import Random
from refold.prng import seed_for, uuid4_for


def fresh() -> Random:
    return Random(seed_for("run-1", 0))


# --- frozen: a change of any of these would change what recorded runs do -------------------------------------------------


def test_the_bits_are_frozen() -> None:
    rng = fresh()

    assert [1928321435569397269, 9927414360818457714, 485818945555512176] == [
        rng.getrandbits(64) for _ in range(3)
    ]
    assert 0 == rng.getrandbits(1)
    assert 10000858080208502190030808993840949173178478013695398593205833809666873684315637571350733587448608388268014142755963360207875164916046677547273437573083163 == rng.getrandbits(513)  # fmt: skip # noqa: E501
    assert 8544503363372430826 == Random("Ä".encode() * 100).getrandbits(64)
    assert 0.008581529116447606 == Random(b"").random()


def test_the_numbers_are_frozen() -> None:
    rng = fresh()

    assert [0.08668566473801553, 0.6908672170507326, 0.5858682918074383] == [rng.random() for _ in range(3)]
    assert 0.11723902352933668 == rng.uniform(0.0, 1.0)
    assert -0.8744204935115003 == rng.uniform(-1.0, 2.5)
    assert [0, 1, 2, 617, 922037624160140593976091693572] == [
        rng.randrange(n) for n in (1, 2, 3, 1000, 10**30)
    ]
    assert [0, 1, -3, 0, -2] == [rng.randint(-3, 3) for _ in range(5)]
    assert ["a", "a", "a", "c", "c"] == [rng.choice("abc") for _ in range(5)]
    assert [4, 29, 12, 32, 48] == rng.sample(range(50), 5)
    items = list(range(10))
    rng.shuffle(items)
    assert [9, 6, 0, 2, 8, 7, 5, 4, 1, 3] == items


def test_the_ids_are_frozen() -> None:
    ids = [str(uuid4_for(run, counter)) for run, counter in (("run-1", 0), ("run-1", 1), ("", 0))]

    assert [
        "21b59367-22a4-45c8-a417-b7415713ef3e",
        "0fb82789-765b-4def-b00a-a425bf482fd1",
        "8c1ffe2b-8da9-4451-bc91-ee927f019027",
    ] == ids
    assert b"run-1/12" == seed_for("run-1", 12)


# --- what they promise -----------------------------------------------------------------------------------------------


def test_equal_seeds_give_equal_numbers_and_others_do_not() -> None:
    first, second, other = fresh(), fresh(), Random(seed_for("run-1", 1))

    expected = [first.getrandbits(32) for _ in range(100)]
    assert expected == [second.getrandbits(32) for _ in range(100)]
    assert expected != [other.getrandbits(32) for _ in range(100)]


def test_how_bits_are_asked_for_does_not_lose_any() -> None:
    one, many = fresh(), fresh()
    whole = one.getrandbits(1024)

    assert whole == sum(many.getrandbits(16) << shift for shift in range(0, 1024, 16))
    assert 0 == fresh().getrandbits(0)


def test_numbers_stay_within_their_bounds() -> None:
    rng = fresh()

    for _ in range(1000):
        assert 0.0 <= rng.random() < 1.0
        assert -2.0 <= rng.uniform(-2.0, 3.0) <= 3.0
        assert 0 <= rng.randrange(7) < 7
        assert -5 <= rng.randint(-5, -3) <= -3


def test_a_range_of_one_has_one_number() -> None:
    rng = fresh()

    assert (0, 4) == (rng.randrange(1), rng.randint(4, 4))


# With 10,000 draws the 5 deviations allowed here are passed once in a million seeds, and this seed is fixed.


@pytest.mark.parametrize("size", [2, 3, 7, 10, 64])
def test_each_number_of_a_range_comes_up_as_often(size: int) -> None:
    rng = fresh()
    draws = 10_000
    counts = Counter(rng.randrange(size) for _ in range(draws))

    mean = draws / size
    allowed = 5 * (mean * (1 - 1 / size)) ** 0.5
    assert list(range(size)) == sorted(counts)
    assert all(abs(count - mean) < allowed for count in counts.values()), counts


def test_each_order_comes_up_as_often() -> None:
    rng = fresh()
    counts: Counter[tuple[int, ...]] = Counter()
    for _ in range(12_000):
        items = [1, 2, 3, 4]
        rng.shuffle(items)
        counts[tuple(items)] += 1

    assert sorted(permutations([1, 2, 3, 4])) == sorted(counts)
    assert all(abs(count - 500) < 5 * 500**0.5 for count in counts.values()), counts


def test_random_numbers_fill_the_unit_interval() -> None:
    rng = fresh()
    draws = [rng.random() for _ in range(10_000)]

    assert abs(sum(draws) / len(draws) - 0.5) < 0.015
    assert min(draws) < 0.001
    assert max(draws) > 0.999


def test_a_sample_takes_no_position_twice() -> None:
    rng = fresh()

    assert list(range(20)) == sorted(rng.sample(range(20), 20))
    assert [] == rng.sample([], 0)


def test_a_sequence_is_left_as_it_is_by_a_sample() -> None:
    items = [3, 1, 2]

    fresh().sample(items, 2)

    assert [3, 1, 2] == items


def test_an_id_is_a_uuid_of_version_4() -> None:
    ids = [uuid4_for("run-1", counter) for counter in range(1000)]

    assert 1000 == len(set(ids))
    assert {(4, RFC_4122)} == {(uid.version, uid.variant) for uid in ids}


# --- what is refused ---------------------------------------------------------------------------------------------------


def test_what_has_no_answer_is_refused() -> None:
    rng = fresh()

    with pytest.raises(ValueError, match="number of bits must be non-negative"):
        rng.getrandbits(-1)
    with pytest.raises(ValueError, match="stop must be positive"):
        rng.randrange(0)
    with pytest.raises(ValueError, match="stop must be positive"):
        rng.randint(2, 1)
    with pytest.raises(IndexError, match="cannot choose from an empty sequence"):
        rng.choice([])
    with pytest.raises(ValueError, match="sample larger than the sequence"):
        rng.sample([1], 2)
    with pytest.raises(ValueError, match="negative"):
        rng.sample([1], -1)
