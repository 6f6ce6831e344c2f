"""What list, show and describe print: to the letter, for people and for programs."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from refold import WorkflowDefinition
from refold.failures import Failure
from refold_adapters import Engine, ManualClock, SystemClock, open_store
from refold_adapters.cli.printing import Column, fitted, plain_lines
from refold_adapters.cli.texts import (
    duration,
    escaped,
    escaped_lines,
    failure_line,
    isolated,
    moment,
    moment_exact,
    shortened,
    to_json,
)
from refold_adapters.client.handles import WorkflowHandle
from tests import cli_shop
from tests.cli_driving import SHOP, Done, lines, refold

SECOND = 1_000_000
#: 2023-11-14 22:13:20 UTC.
BEGIN = 1_700_000_000 * SECOND
#: By the clock of the commands.
NOW = BEGIN + 90 * SECOND
RUN_1 = "00000001-0000-0000-0000-000000000000"

ACTIVITIES = [cli_shop.greet, cli_shop.charge, cli_shop.ring]
WORKFLOWS = [cli_shop.hello, cli_shop.pay, cli_shop.approve, cli_shop.call, cli_shop.divide]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of every command, whose clock stands still."""
    monkeypatch.setenv("REFOLD_STORE", str(tmp_path / "orders.db"))
    monkeypatch.setattr(SystemClock, "now_us", lambda _: NOW)
    return tmp_path / "orders.db"


def play(store: Path, *runs: tuple[object, ...], advance: int = 0, settle: bool = True) -> None:
    """Start runs ``(workflow, id, *args)``, a second apart, and see them end or wait, by a clock that is set by hand."""
    clock = ManualClock(BEGIN)
    with (
        closing(open_store(store, clock)) as opened,
        Engine(opened, workflows=WORKFLOWS, activities=ACTIVITIES, identity="tester") as engine,
    ):
        for definition, workflow_id, *args in runs:
            assert isinstance(definition, WorkflowDefinition)
            handle = engine.start(definition, *args, id=str(workflow_id))
            if settle:
                wait_until_ended(handle)
            clock.advance(SECOND)
        clock.advance(advance)


def wait_until_ended(handle: WorkflowHandle[object]) -> None:
    future, _ = handle.watch()
    future.result(timeout=30)


# --- list ----------------------------------------------------------------------------------------------------------------


def test_list_shows_the_newest_first(store: Path) -> None:
    play(
        store,
        (cli_shop.hello, "h-1", "x"),
        (cli_shop.pay, "p-1", cli_shop.Order("7")),
        (cli_shop.divide, "d-1", 0),
    )

    assert Done(
        0,
        lines(
            "WORKFLOW ID  TYPE    STATUS     STARTED                 TOOK  EVENTS  RUN ID",
            "d-1          divide  PARKED     2023-11-14 22:13:22Z  1m 28s       2  00000001-0000-0000-0000-000000000000",
            "p-1          pay     FAILED     2023-11-14 22:13:21Z     0us       7  00000002-0000-0000-0000-000000000000",
            "h-1          hello   COMPLETED  2023-11-14 22:13:20Z     0us       4  00000003-0000-0000-0000-000000000000",
        ),
        "",
    ) == refold("list")


def test_list_as_json_and_as_lines_are_the_same_records(store: Path) -> None:
    play(store, (cli_shop.hello, "h-1", "x"))

    whole, by_line = refold("list", "-o", "json").out, refold("list", "-o", "jsonl").out

    record = {
        "workflow_id": "h-1",
        "run_id": RUN_1,
        "workflow_type": "hello",
        "task_queue": "default",
        "status": "COMPLETED",
        "parked": None,
        "paused_at": None,
        "build_id": None,
        "started_at": "2023-11-14T22:13:20.000000Z",
        "closed_at": "2023-11-14T22:13:20.000000Z",
        "turns": 2,
        "events": 4,
    }
    assert [record] == [{k: v for k, v in one.items() if k != "history_bytes"} for one in json.loads(whole)]
    assert json.loads(whole) == [json.loads(line) for line in by_line.splitlines()]


def ids_of(*options: object) -> list[str]:
    done = refold("list", *options, "-o", "jsonl")
    assert 0 == done.code
    return [json.loads(line)["workflow_id"] for line in done.out.splitlines()]


def test_list_selects_by_status_type_prefix_and_parking(store: Path) -> None:
    play(
        store,
        (cli_shop.hello, "h-1", "x"),
        (cli_shop.hello, "other", "x"),
        (cli_shop.pay, "p-1", cli_shop.Order("7")),
        (cli_shop.divide, "d-1", 0),
    )

    assert ["d-1", "p-1", "other", "h-1"] == ids_of()
    assert ["other", "h-1"] == ids_of("--status", "completed")
    assert ["d-1", "p-1"] == ids_of("--status", "failed", "--status", "RUNNING")
    assert ["p-1"] == ids_of("--type", "pay")
    assert ["h-1"] == ids_of("--type", "hello", "--prefix", "h")
    assert ["d-1"] == ids_of("--parked")
    assert ["p-1", "other", "h-1"] == ids_of("--not-parked")


def test_list_says_when_there_are_more(store: Path) -> None:
    play(store, *[(cli_shop.hello, f"h-{number}", "x") for number in range(3)])

    assert ["h-2", "h-1"] == ids_of("--limit", "2")
    assert (
        "the newest 2 are shown; there are more (--limit 0 for all)\n" == refold("list", "--limit", "2").err
    )
    assert "" == refold("list", "--limit", "3").err
    assert ["h-2", "h-1", "h-0"] == ids_of("--limit", "0")


def test_an_empty_list_is_no_table(store: Path) -> None:
    play(store)

    assert Done(0, "", "there are no runs yet\n") == refold("list")
    assert Done(0, "", "no run matches\n") == refold("list", "--type", "nothing")
    assert Done(0, "[]\n", "") == refold("list", "-o", "json")
    assert Done(0, "", "") == refold("list", "-o", "jsonl")


def test_a_list_stays_aligned_with_wide_and_right_to_left_ids(store: Path) -> None:
    play(
        store,
        (cli_shop.hello, "طلب-1", "x"),
        (cli_shop.hello, "注文-二", "x"),
        (cli_shop.hello, "[red]x[/]", "x"),
        (cli_shop.hello, "a\u202eb", "x"),
        (cli_shop.hello, "x" * 300, "x"),
    )

    table = [line.partition("hello")[0] for line in refold("list").out.splitlines()]

    wide = 300 + 2
    assert (
        [
            "x" * 300 + "  ",
            "a\\u202eb".ljust(wide),
            "[red]x[/]".ljust(wide),
            "注文-二".ljust(wide - 3),  # three characters take two columns each
            "طلب-1".ljust(wide),
        ]
        == table[1:]
    )


# --- show ----------------------------------------------------------------------------------------------------------------


def test_show_groups_events_into_steps(store: Path) -> None:
    play(store, (cli_shop.pay, "p-1", cli_shop.Order("7", 2)))

    assert Done(
        0,
        lines(
            "EVENT  AFTER  WHAT         NAME    OUTCOME             TOOK  DETAIL",
            '    1    0us  workflow     pay     started                   [{"order_id":"7","quantity":2}]',
            '    2    0us  activity     greet   completed            0us  "Hello, 7!"',
            "    4    0us  side effect          recorded                  [1,2]",
            "    5    0us  activity     charge  failed (attempt 2)   0us  Declined: card of 7 was declined",
            "    7    0us  workflow             failed               0us  activity: activity 'charge' failed: "
            "card of 7 was declined <- Declined: card of 7 was declined",
        ),
        "",
    ) == refold("show", "p-1")


def test_show_can_list_every_event_with_its_line(store: Path) -> None:
    play(store, (cli_shop.hello, "h-1", "x"))
    line = (
        Path(cli_shop.__file__)
        .read_text("utf-8")
        .splitlines()
        .index("    return (yield from greet_quickly(name))")
    )

    table = [row.split("  ") for row in refold("show", "h-1", "--events").out.splitlines()]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in table]

    assert [
        ["EVENT", "TURN", "AFTER", "KIND", "SOURCE", "FIELDS"],
        ["1", "1", "0us", "WorkflowExecutionStarted"],
        ["2", "1", "0us", "ActivityTaskScheduled", f"tests/cli_shop.py:{line + 1} in hello"],
        ["3", "2", "0us", "ActivityTaskCompleted"],
        ["4", "2", "0us", "WorkflowExecutionCompleted", '{"result":"Hello, x!"}'],
    ] == [rows[0], rows[1][:4], rows[2][:5], rows[3][:4], rows[4]]


def test_show_as_json_gives_the_events(store: Path) -> None:
    play(store, (cli_shop.hello, "h-1", "x"))

    events = [json.loads(line) for line in refold("show", "h-1", "-o", "jsonl").out.splitlines()]

    assert [
        "WorkflowExecutionStarted",
        "ActivityTaskScheduled",
        "ActivityTaskCompleted",
        "WorkflowExecutionCompleted",
    ] == [event["kind"] for event in events]
    assert [1, 2, 3, 4] == [event["event_id"] for event in events]
    assert events == json.loads(refold("show", "h-1", "-o", "json").out)


def test_show_of_a_run_without_events_says_so() -> None:
    refold("start", "hello", '"x"', "--id", "h-1")

    assert Done(0, "", "the run has no events yet: no worker has made its first turn\n") == refold(
        "show", "h-1"
    )
    assert Done(0, "[]\n", "") == refold("show", "h-1", "-o", "json")


def test_show_says_what_became_of_signals_timers_and_cancel_requests(store: Path) -> None:
    clock = ManualClock(BEGIN)
    with (
        closing(open_store(store, clock)) as opened,
        Engine(opened, workflows=WORKFLOWS, activities=[]) as engine,
    ):
        handle = engine.start(cli_shop.approve, "a desk", id="a-1")
        handle.signal("comment", "first")
        clock.advance(2 * SECOND)
        handle.signal(cli_shop.approval, True)
        wait_until_ended(handle)

    assert (
        lines(
            "EVENT  AFTER  WHAT      NAME      OUTCOME         TOOK  DETAIL",
            '    1    0us  workflow  approve   started               ["a desk"]',
            "    2    0us  timer     1d 0h     cancelled       2.0s  due 2023-11-15 22:13:20Z",
            '    3    0us  signal    comment   never received        "first"',
            "    4   2.0s  signal    approval  accepted              true",
            '    6   2.0s  workflow            completed       2.0s  "a desk"',
        )
        == refold("show", "a-1").out
    )


def test_what_a_workflow_says_cannot_move_the_cursor(store: Path) -> None:
    play(store, (cli_shop.hello, "h-1", "\x1b[2J\x9b2J\u202e\nx"))

    shown, result = refold("show", "h-1").out, refold("result", "h-1").out

    assert not any(mark in shown + result for mark in ("\x1b", "\x9b", "\u202e"))
    assert "Hello, \x1b[2J\x9b2J\u202e\nx!" == json.loads(result)


# --- describe ------------------------------------------------------------------------------------------------------------


def test_describe_of_a_closed_run(store: Path) -> None:
    play(store, (cli_shop.hello, "h-1", "x"))

    text = refold("describe", "h-1").out

    assert (
        lines(
            "workflow id: h-1",
            f"run id:      {RUN_1}",
            "type:        hello",
            "task queue:  default",
            "status:      COMPLETED",
            "started:     2023-11-14 22:13:20Z (0us)",
            "closed:      2023-11-14 22:13:20Z",
        )
        + text[text.index("history:") : text.index("now:")]
        + "now:         ended COMPLETED at 2023-11-14 22:13:20Z after 0us\n"
        == text
    )


def test_describe_names_the_pending_activity_its_failure_and_the_next_attempt(store: Path) -> None:
    clock = ManualClock(BEGIN)
    with (
        closing(open_store(store, clock)) as opened,
        Engine(opened, workflows=WORKFLOWS, activities=ACTIVITIES, identity="tester") as engine,
    ):
        handle = engine.start(cli_shop.call, "Zoë", id="c-1")
        while not any(task.last_failure for task in handle.describe().pending_activities):
            clock.advance(0)

    text = refold("describe", "c-1").out

    assert text.endswith(
        lines(
            "now:         waits for activity 'ring' (seq 1) since 2023-11-14 22:13:20Z (1m 30s); "
            "no worker is at work on this store",
            "",
            "SEQ  PENDING ACTIVITY  SINCE                          NEXT                  LAST FAILURE",
            "  1  ring              2023-11-14 22:13:20Z (1m 30s)  attempt 2 in 58m 30s  "
            "ConnectionError: Zoë does not answer",
        )
    )
    record = json.loads(refold("describe", "c-1", "-o", "json").out)
    assert [("ring", 2, "2023-11-14T23:13:20.000000Z", "ConnectionError: Zoë does not answer")] == [
        (task["activity_type"], task["attempt"], task["next_attempt_at"], task["last_failure"])
        for task in record["pending_activities"]
    ]
    assert None is record["waiting"]


def test_describe_with_the_code_says_at_which_line_it_waits(store: Path) -> None:
    clock = ManualClock(BEGIN)
    with (
        closing(open_store(store, clock)) as opened,
        Engine(opened, workflows=WORKFLOWS, activities=[]) as engine,
    ):
        engine.start(cli_shop.approve, "a desk", id="a-1")
    line = next(
        number
        for number, text in enumerate(Path(cli_shop.__file__).read_text("utf-8").splitlines(), start=1)
        if "match (yield from first_of(approval.receive()" in text
    )

    with_code, without = refold("describe", "a-1", "-m", SHOP).out, refold("describe", "a-1").out

    wait = "first_of: signal 'approval' | timer due 2023-11-15 22:13:20+00:00 (seq 1)"
    assert f"now:         waits for {wait} since 2023-11-14 22:13:20Z (1m 30s)" in with_code
    assert f"branch 0 waits for {wait}\n  tests/cli_shop.py:{line} in approve\n" in with_code
    assert "now:         waits for timer due 2023-11-15 22:13:20Z (seq 1) since" in without
    assert "SEQ  OPEN TIMER DUE             IN\n  1  2023-11-15 22:13:20Z  23h 58m\n" in without


def test_describe_says_why_a_run_is_parked_and_where(store: Path) -> None:
    play(store, (cli_shop.divide, "d-1", 0))

    text = refold("describe", "d-1").out

    assert "status:      RUNNING, parked\n" in text
    assert (
        "now:         is parked: it goes on when a worker with mended code starts (its last turn was 1m 30s ago)\n"
        in text
    )
    assert "\nparked because of\n  RF1110: divide raised ZeroDivisionError: division by zero\n" in text
    assert "    where: tests/cli_shop.py:" in text


def test_describe_says_that_no_worker_has_taken_a_run_or_its_messages(store: Path) -> None:
    refold("start", "hello", '"x"', "--id", "h-1")
    play(store, (cli_shop.approve, "a-1", "a desk"), settle=False)
    refold("signal", "a-1", "approval", "true")

    assert (
        "now:         waits for a worker that knows 'hello' on task queue 'default' since 2023-11-14 22:14:50Z (0us); "
        "no worker is at work on this store\n" in refold("describe", "h-1").out
    )
    assert (
        "now:         has 1 message that no worker has taken yet, its last turn was 1m 30s ago; "
        "no worker is at work on this store\n" in refold("describe", "a-1").out
    )


def test_describe_says_that_the_code_does_not_fit(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other_code.py").write_text(
        "from refold import execute_activity, workflow\n"
        "@workflow\n"
        "def approve(subject):\n"
        "    yield from execute_activity('ask', subject)\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    play(store, (cli_shop.approve, "a-1", "a desk"), settle=False)

    note = "; the code given here does not fit its history (`refold replay` says how)\n"
    assert note in refold("describe", "a-1", "-m", "other_code").out
    assert note not in refold("describe", "a-1", "-m", SHOP).out
    assert note not in refold("describe", "a-1").out


# --- texts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (None, ""),
        (-5, "0us"),
        (999, "999us"),
        (1_000, "1ms"),
        (999_999, "999ms"),
        (1_500_000, "1.5s"),
        (59 * SECOND, "59s"),
        (61 * SECOND, "1m 1s"),
        (3_599 * SECOND, "59m 59s"),
        (3_600 * SECOND, "1h 0m"),
        (86_399 * SECOND, "23h 59m"),
        (3 * 86_400 * SECOND + 7_200 * SECOND, "3d 2h"),
    ],
)
def test_a_duration_has_at_most_two_units(us: int | None, text: str) -> None:
    assert text == duration(us)


def test_a_time_beyond_the_calendar_is_still_shown() -> None:
    assert "9223372036854775807 us" == moment(2**63 - 1)
    assert None is moment_exact(2**63 - 1)
    assert "1969-12-31 23:59:59Z" == moment(-1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc\r", "a\\tb\\nc\\r"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x85\u2028\u202e\u2066\ufeff", "\\u0085\\u2028\\u202e\\u2066\\ufeff"),
        ("\ud800", "\\ud800"),
        ("Zoë 注文 طلب 🙂", "Zoë 注文 طلب 🙂"),
    ],
)
def test_nothing_that_a_terminal_obeys_is_shown(text: str, shown: str) -> None:
    assert shown == escaped(text)


def test_lines_may_stay_lines() -> None:
    assert "a\nb\\t\\x1b" == escaped_lines("a\nb\t\x1b")


def test_json_stays_json_when_it_is_made_safe() -> None:
    value = {"a": "\x7f\x9b\u202e\ud800\n"}

    assert value == json.loads(to_json(value))
    assert '{"a":"\\u007f\\u009b\\u202e\\ud800\\n"}' == to_json(value)


def test_only_right_to_left_text_is_isolated() -> None:
    assert ("abc 注文", "\u2068طلب\u2069") == (isolated("abc 注文"), isolated("طلب"))


def test_a_long_text_is_cut() -> None:
    assert "x" * 77 + "..." == shortened("x" * 1_000_000)
    assert "x" * 80 == shortened("x" * 80)


def test_a_failure_is_one_line_with_its_causes() -> None:
    failure = Failure("activity", "it failed", cause=Failure("application", "no\nroom", type="Full"))

    assert "activity: it failed <- Full: no\\nroom" == failure_line(failure)
    assert "timeout" == failure_line(Failure("timeout"))


@pytest.mark.parametrize(
    ("available", "widths"),
    [
        (100, [40, 10, 36]),
        (92, [40, 10, 36]),
        (82, [40, 10, 26]),
        (64, [40, 10, 8]),
        (52, [28, 10, 8]),
        (20, [12, 10, 8]),
    ],
)
def test_what_may_be_cut_is_narrowed_before_what_may_wrap(available: int, widths: list[int]) -> None:
    columns = [Column("id", fit="wrap"), Column("status"), Column("run", fit="cut")]

    assert widths == fitted(columns, [40, 10, 36], available)


def test_columns_are_aligned_by_what_is_seen() -> None:
    columns = [Column("ab"), Column("n", right=True)]

    assert ["AB     N", "注文   1", "x     22"] == plain_lines(columns, [["注文", "1"], ["x", "22"]])
