"""The contract of conditions: what runs are found by beside their ids, for every operator and every kind of value."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve

from refold_adapters.contract.base import SECOND, START, StoreHarness, first_turn, new_run, turn
from refold_adapters.ports import (
    Closing,
    Committed,
    Created,
    DeleteRun,
    Done,
    ParkRun,
    Properties,
    RunFilter,
    RunStatus,
)
from refold_adapters.ports.conditions import (
    AllOf,
    AnyOf,
    Attribute,
    Column,
    Compare,
    Condition,
    IsNull,
    Not,
    Operator,
    Scalar,
    StartsWith,
    Subject,
    Term,
    TermKind,
)

_MEANING: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: operator.eq,
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
}
CUSTOMER = Attribute("customer", TermKind.TEXT)
TEXTS = ("", "A", "a", "ab", "b", "a%", "a_", "\u00e9", "\uffff", "\U0001f680", "'; --")
END = Closing(status=RunStatus.COMPLETED, event=b"end")


class ConditionContract(StoreHarness):
    """Conditions."""

    def noted(self, run_id: str, *terms: Term) -> None:
        """Create a run that is found by these terms."""
        write = evolve(new_run(run_id), properties=Properties(terms=terms))
        assert Created(run_id) == self.one(write)

    def where(self, condition: Condition, **others: Any) -> list[str]:
        """The ids of the runs for which it holds, in alphabetical order; they are counted too."""
        asked = RunFilter(where=condition, **others)
        found = [row.run_id for row in self.store.list_runs(asked)]
        assert len(found) == self.store.count_runs(asked)
        return sorted(found)

    def compare_all(self, kind: TermKind, values: Sequence[Scalar]) -> None:
        """Each operator with each value, against runs of which each has one of the values, and one that has none."""
        for number, value in enumerate(values):
            self.noted(f"run-{number:02}", Term("x", kind, value), Term("other", kind, values[0]))
        self.noted("without")
        for sign, meaning in _MEANING.items():
            for asked in values:
                expected = [f"run-{i:02}" for i, value in enumerate(values) if meaning(value, asked)]
                condition = Compare(Attribute("x", kind), sign, asked)
                assert expected == self.where(condition), (sign, asked)
                others = [f"run-{i:02}" for i, value in enumerate(values) if not meaning(value, asked)]
                assert [*others, "without"] == self.where(Not(condition)), (sign, asked)

    def test_the_names_that_runs_are_found_by_are_listed_once_and_in_order(self) -> None:
        """Those of runs that are there, also closed ones, and no others."""
        assert [] == self.store.list_attributes()
        self.noted(
            "run-1", Term("b", TermKind.TEXT, "x"), Term("b", TermKind.TEXT, "y"), Term("", TermKind.BOOL, 1)
        )
        self.noted("run-2", Term("b", TermKind.NUMBER, 5), Term("B", TermKind.WORD, "w"))
        self.noted("run-3")
        assert ["", "B", "b"] == self.store.list_attributes()
        assert Committed() == self.one(evolve(first_turn(0, "run-1"), closing=END))
        assert ["", "B", "b"] == self.store.list_attributes()
        assert Done() == self.one(DeleteRun(run_id="run-1"))
        assert ["B", "b"] == self.store.list_attributes()

    def test_texts_are_compared_by_code_points(self) -> None:
        """Whatever a collation or a pattern would make of them."""
        self.compare_all(TermKind.TEXT, TEXTS)

    def test_words_are_compared_by_code_points(self) -> None:
        """They are texts of another kind."""
        self.compare_all(TermKind.WORD, ("paid", "unpaid", "\u00e9"))

    def test_numbers_are_compared_by_value(self) -> None:
        """Whole ones and others together, also where a float cannot tell two whole ones apart."""
        self.compare_all(TermKind.NUMBER, (-1.5, -1, 0, 0.5, 1, 2.0, 10, 2**53, 2**53 + 1, 1e300))

    def test_a_number_is_the_same_written_as_whole_or_not(self) -> None:
        """1 is 1.0."""
        self.noted("run-1", Term("x", TermKind.NUMBER, 1))
        assert ["run-1"] == self.where(Compare(Attribute("x", TermKind.NUMBER), Operator.EQUAL, 1.0))

    def test_booleans_are_compared_as_0_and_1(self) -> None:
        """In every order."""
        self.compare_all(TermKind.BOOL, (0, 1))

    def test_times_are_compared_as_microseconds(self) -> None:
        """Those before the epoch too."""
        self.compare_all(TermKind.TIME, (-1, 0, START, START + 1))

    def test_a_value_of_another_kind_is_not_the_value_that_is_asked_for(self) -> None:
        """A kind is part of the subject; without one, all count."""
        self.noted("bool", Term("x", TermKind.BOOL, 1))
        self.noted("number", Term("x", TermKind.NUMBER, 1))
        self.noted("time", Term("x", TermKind.TIME, 1))
        for kind in (TermKind.BOOL, TermKind.NUMBER, TermKind.TIME):
            assert [kind.value] == self.where(Compare(Attribute("x", kind), Operator.EQUAL, 1))
        assert ["bool", "number", "time"] == self.where(Compare(Attribute("x"), Operator.EQUAL, 1))

    def test_a_text_stands_in_no_relation_to_a_number(self) -> None:
        """Neither equal nor less nor greater."""
        self.noted("number", Term("x", TermKind.NUMBER, 5))
        self.noted("text", Term("x", TermKind.TEXT, "5"))
        for sign in (Operator.LESS_OR_EQUAL, Operator.GREATER_OR_EQUAL, Operator.EQUAL):
            assert ["number"] == self.where(Compare(Attribute("x"), sign, 5))
            assert ["text"] == self.where(Compare(Attribute("x"), sign, "5"))
            assert [] == self.where(Compare(Attribute("x", TermKind.TEXT), sign, 5))
            assert [] == self.where(Compare(Attribute("x", TermKind.NUMBER), sign, "5"))
            assert [] == self.where(Compare(Column.WORKFLOW_TYPE, sign, 5))
            assert [] == self.where(Compare(Column.STARTED_AT, sign, "5"))
        assert ["text"] == self.where(StartsWith(Attribute("x"), "5"))

    def test_one_value_of_several_is_enough(self) -> None:
        """And none of them may, where it is not to be."""
        self.noted("both", *[Term("tags", TermKind.TEXT, tag) for tag in ("new", "paid")])
        self.noted("one", Term("tags", TermKind.TEXT, "new"))
        tags = Attribute("tags", TermKind.TEXT)
        paid = Compare(tags, Operator.EQUAL, "paid")
        assert ["both"] == self.where(paid)
        assert ["one"] == self.where(Not(paid))
        assert ["both"] == self.where(AllOf((paid, Compare(tags, Operator.EQUAL, "new"))))
        assert ["both"] == self.where(AllOf((StartsWith(tags, "p"), StartsWith(tags, "n"))))

    def test_one_value_must_begin_so_as_a_whole(self) -> None:
        """Two values of which one is high enough and the other low enough are no value between."""
        self.noted("apart", *[Term("tags", TermKind.TEXT, tag) for tag in ("a", "z")])
        assert [] == self.where(StartsWith(Attribute("tags", TermKind.TEXT), "m"))

    def test_texts_are_found_by_their_beginning(self) -> None:
        """Wildcards are characters like any other."""
        for number, text in enumerate(TEXTS):
            self.noted(f"run-{number:02}", Term("x", TermKind.TEXT, text))
        for prefix in (*TEXTS, "\U0010ffff", "\ud7ff", "a\U0010ffff"):
            expected = [f"run-{i:02}" for i, text in enumerate(TEXTS) if text.startswith(prefix)]
            assert expected == self.where(StartsWith(Attribute("x", TermKind.TEXT), prefix)), prefix

    def test_what_has_no_value_is_null(self) -> None:
        """Of that name, or of that kind."""
        self.noted("none")
        self.noted("other", Term("region", TermKind.TEXT, "a"))
        self.noted("number", Term("customer", TermKind.NUMBER, 1))
        self.noted("text", Term("customer", TermKind.TEXT, ""))
        assert ["none", "other"] == self.where(IsNull(Attribute("customer")))
        assert ["none", "number", "other"] == self.where(IsNull(CUSTOMER))
        assert ["text"] == self.where(Not(IsNull(CUSTOMER)))

    def test_there_is_no_third_truth_value(self) -> None:
        """Not twice is as before, also of what is not there."""
        self.noted("run-1")
        for subject, value in ((CUSTOMER, "a"), (Column.BUILD_ID, "a"), (Column.CLOSED_AT, 1)):
            for sign in Operator:
                compared = Compare(subject, sign, value)
                assert [] == self.where(compared)
                assert ["run-1"] == self.where(Not(compared))
                assert [] == self.where(Not(Not(compared)))
        assert ["run-1"] == self.where(Not(StartsWith(Column.PARKED_KIND, "")))

    def test_all_of_none_always_holds_and_any_of_none_never(self) -> None:
        """Also nested."""
        self.noted("run-1")
        assert ["run-1"] == self.where(AllOf(()))
        assert [] == self.where(AnyOf(()))
        assert ["run-1"] == self.where(AnyOf((AnyOf(()), AllOf((AllOf(()), Not(AnyOf(())))))))

    def test_conditions_are_nested_at_will(self) -> None:
        """As their tree says, whatever binds tighter in a query language."""
        for name in ("ab", "a", "b", "c"):
            self.noted(name, *[Term("x", TermKind.TEXT, letter) for letter in name])
        a, b, c = (Compare(Attribute("x"), Operator.EQUAL, letter) for letter in "abc")
        assert ["a", "ab", "c"] == self.where(AnyOf((a, AllOf((c, Not(b))))))
        assert ["a", "c"] == self.where(AllOf((AnyOf((a, c)), Not(b))))
        deep: Condition = a
        for _ in range(6):
            deep = Not(AllOf((AnyOf((deep,)),)))
        assert ["a", "ab"] == self.where(deep)

    def test_names_of_attributes_are_texts_like_any_other(self) -> None:
        """Each finds its own."""
        names = ("x", "X", "'; DROP TABLE runs; --", "a b", "\u00e9", "status", "?")
        for number, name in enumerate(names):
            self.noted(f"run-{number}", Term(name, TermKind.TEXT, "v"))
        for number, name in enumerate(names):
            assert [f"run-{number}"] == self.where(Compare(Attribute(name), Operator.EQUAL, "v"))

    def test_runs_are_found_by_what_every_run_has(self) -> None:
        """By each column, with each operator."""
        self.make_four()
        columns: dict[Subject, str] = {column: column.value for column in Column}
        rows = {row.run_id: row for row in self.store.list_runs(RunFilter())}
        assert 4 == len(rows)
        for column, name in columns.items():
            values = {run_id: getattr(row, name) for run_id, row in rows.items()}
            for asked in {value for value in values.values() if value is not None}:
                for sign, meaning in _MEANING.items():
                    expected = [
                        run_id
                        for run_id, value in values.items()
                        if value is not None and meaning(value, asked)
                    ]
                    scalar = asked.value if isinstance(asked, RunStatus) else asked
                    assert sorted(expected) == self.where(Compare(column, sign, scalar)), (column, sign)
            null = [run_id for run_id, value in values.items() if value is None]
            assert sorted(null) == self.where(IsNull(column)), column

    def make_four(self) -> None:
        """Four runs: one as it was created, one closed, one parked, one paused and of a build."""
        token = self.session()
        for number, build_id in enumerate((None, None, None, "b1")):
            self.clock.advance(SECOND)
            write = evolve(
                new_run(f"run-{number}", owner=token, task_queue=f"q{number % 2}"), build_id=build_id
            )
            assert Created(f"run-{number}") == self.one(write)
        assert Committed() == self.one(evolve(first_turn(token, "run-1"), closing=END))
        parking = ParkRun(token=token, run_id="run-2", reason=b"why", kind="bug", line="orders.py:7")
        assert Done() == self.one(parking)
        pausing = evolve(turn(0, "run-3", 1), paused=True)
        assert Committed() == self.one(pausing)

    def test_a_run_of_no_build_has_none(self) -> None:
        """An empty text is no build."""
        self.create()
        self.one(evolve(new_run("run-2"), build_id=""))
        assert ["run-1", "run-2"] == self.where(IsNull(Column.BUILD_ID))
        assert [] == self.where(Compare(Column.BUILD_ID, Operator.LESS, "z"))

    def test_a_condition_is_one_of_those_of_the_filter(self) -> None:
        """All must hold."""
        for queue in ("a", "b"):
            write = evolve(
                new_run(f"run-{queue}", task_queue=queue),
                properties=Properties(terms=(Term("x", TermKind.NUMBER, 1),)),
            )
            self.one(write)
        condition = Compare(Attribute("x"), Operator.EQUAL, 1)
        assert ["run-a"] == self.where(condition, task_queue="a")
        assert [] == self.where(condition, task_queue="a", parked=True)

    def test_pages_of_what_a_condition_finds_join_without_gap(self) -> None:
        """Newest first, by id within a moment, also when new runs start and found ones close in between."""
        token = self.session()
        for number in range(12):
            write = evolve(
                new_run(f"run-{number:02}", owner=token),
                properties=Properties(terms=(Term("even", TermKind.BOOL, (number + 1) % 2),)),
            )
            assert Created(write.run_id) == self.one(write)
            if number % 5 == 4:
                self.clock.advance(SECOND)
        pages: list[str] = []
        before = None
        condition = Compare(Attribute("even", TermKind.BOOL), Operator.EQUAL, 1)
        while rows := self.store.list_runs(RunFilter(where=condition, limit=2, before=before)):
            pages += [row.run_id for row in rows]
            before = (rows[-1].started_at, rows[-1].run_id)
            self.clock.advance(1)
            self.noted(f"new-{len(pages)}", Term("even", TermKind.BOOL, 1))
            assert Committed() == self.one(evolve(first_turn(token, rows[-1].run_id), closing=END))
        assert [f"run-{number:02}" for number in (10, 8, 6, 4, 2, 0)] == pages

    # Properties ---------------------------------------------------------------------------------------------------

    def test_properties_are_shown_as_they_were_given(self) -> None:
        """They are opaque, but for the terms; without any, there are none."""
        noted = Properties(memo=b"\x00memo", search_attributes=b"\xffattributes")
        self.one(evolve(new_run(), properties=noted))
        assert (b"\x00memo", b"\xffattributes") == (self.row().memo, self.row().search_attributes)
        self.create("run-2")
        assert (None, None) == (self.row("run-2").memo, self.row("run-2").search_attributes)

    def test_a_turn_puts_properties_in_the_place_of_the_former_ones(self) -> None:
        """All of them; and one that says nothing leaves them."""
        self.noted("run-1", Term("x", TermKind.TEXT, "old"), Term("y", TermKind.TEXT, "old"))
        now = Properties(memo=b"m", terms=(Term("x", TermKind.TEXT, "new"),))
        assert Committed() == self.one(evolve(first_turn(0, "run-1"), properties=now))
        assert Committed() == self.one(turn(0, "run-1", 2))
        assert b"m" == self.row().memo
        assert ["run-1"] == self.where(Compare(Attribute("x"), Operator.EQUAL, "new"))
        assert [] == self.where(Compare(Attribute("x"), Operator.EQUAL, "old"))
        assert ["run-1"] == self.where(IsNull(Attribute("y")))

    def test_a_turn_that_is_refused_notes_nothing(self) -> None:
        """What was noted before stands."""
        self.noted("run-1", Term("x", TermKind.TEXT, "old"))
        now = Properties(memo=b"m", terms=(Term("x", TermKind.TEXT, "new"),))
        late = evolve(turn(0, "run-1", 2), properties=now)
        unseen = evolve(turn(0, "run-1", 1), properties=now, closing=END)
        for write in (late, unseen):
            assert Committed() != self.one(write)
            assert None is self.row().memo
            assert ["run-1"] == self.where(Compare(Attribute("x"), Operator.EQUAL, "old"))

    def test_a_closed_run_is_found_as_before_and_by_what_its_last_turn_notes(self) -> None:
        """Until it is removed."""
        self.noted("run-1", Term("x", TermKind.TEXT, "old"))
        now = Properties(terms=(Term("x", TermKind.TEXT, "last"),))
        assert Committed() == self.one(evolve(first_turn(0, "run-1"), properties=now, closing=END))
        found = Compare(Attribute("x"), Operator.EQUAL, "last")
        assert ["run-1"] == self.where(found)
        assert Done() == self.one(DeleteRun(run_id="run-1"))
        assert [] == self.where(found)
        self.create("run-2")
        assert [] == self.where(found)
