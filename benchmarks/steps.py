"""How many steps a second a store makes durable, and how long one takes, beside raw commits and DBOS.

    python -m benchmarks.steps --store sqlite|postgres [--json] [--quick] [--rounds N] [--no-peers] [--only W1,W3]
        [--dir DIR] [--server URL]

The workloads are told in README.md.  In each round ours, raw commits and DBOS take turns, and ratios are taken within a round.  With
``--json`` the last line of the output is one JSON object.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from attrs import evolve

from benchmarks.beds import add_options, bed_of
from benchmarks.figures import Figure, Samples, last_line, load_average, table
from benchmarks.peering import Driver, open_peer
from benchmarks.step_measures import COMMITS, DBOS_WAYS, FULL, MEASURES, QUICK, STEPS, Bench, start_up
from benchmarks.workloads import Ours

#: A raw commit that takes less is no commit to a disk; one that takes more hides what the engine does between two of them.
_COMMIT_MS_MIN, _COMMIT_MS_MAX = 0.02, 0.5


def measure(bench: Bench, chosen: Sequence[str]) -> None:
    if bench.plan.warm_up:
        bench.ours.warm_up()
    if "W6" in chosen:
        start_up(bench)  # makes the stores, and compiles what is imported
    bench.samples.clear()
    for _ in range(bench.plan.rounds):
        for name in chosen:
            MEASURES[name](bench)


def summary(samples: Samples, long: Sequence[int]) -> dict[str, Any]:
    """What was found, by workload, and the ratios; None where something was not measured."""
    of, over = samples.figure, samples.ratio
    shortest, longest = long[0], long[-1]

    def percentiles(name: str) -> dict[str, Figure | None]:
        return {f"p{share}_ms": of(f"{name} p{share} ms") for share in (50, 90, 99)}

    def started(name: str) -> dict[str, Figure | None]:
        keys = ("import_seconds", "launch_seconds", "first_workflow_seconds", "resident_mb")
        return {key: of(f"{name} {key}") for key in keys}

    return {
        "W1": {
            "steps_per_second": of("W1"),
            "cpu_us_per_step": of("W1 CPU us"),
            "raw_commits_per_second": of("W1 raw commits"),
            "dbos_steps_per_second": of("W1 dbos"),
            # Steps and raw commits a second of each round: what the disk did is seen only there.
            "rounds": samples.rounds("W1", "W1 raw commits"),
        },
        "W2": {
            "steps_per_second": {way: of(f"W2 {way}") for way in ("best", "loop", "threads", "tasks")},
            "dbos_steps_per_second": {way: of(f"W2 dbos {way}") for way in ("best", *DBOS_WAYS)},
        },
        **{
            name: {
                **percentiles(name),
                "raw_commit": percentiles(f"{name} raw commit"),
                "dbos": percentiles(f"{name} dbos"),
            }
            for name in ("W3", "W4")
        },
        "notify_p50_ms": of("W4 notify p50 ms"),
        "W3b": {
            "steps_per_second": {str(number): of(f"W3b {number}") for number in long},
            "dbos_steps_per_second": {str(number): of(f"W3b dbos {number}") for number in long},
        },
        "W6": {**started("W6"), "dbos": started("W6 dbos")},
        "W11": {
            "execution_bytes": of("W11 execution bytes"),
            "executions_loaded_per_second": of("W11 executions loaded/s"),
            "run_bytes": of("W11 run bytes"),
        },
        "ratios": {
            "W1_steps_over_raw_commits": over("W1", "W1 raw commits"),
            "W1_over_dbos": over("W1", "W1 dbos"),
            "W2_over_dbos_best": over("W2 best", "W2 dbos best"),
            "W3_p50_in_raw_commits": over("W3 p50 ms", "W3 raw commit p50 ms"),
            "W4_p50_in_raw_commits": over("W4 p50 ms", "W4 raw commit p50 ms"),
            "W4_p50_over_notify_and_commit": over("W4 p50 ms", "W4 notify and commit p50 ms"),
            "W3b_longest_over_shortest": over(f"W3b {longest}", f"W3b {shortest}"),
            "import_over_dbos_import": over("W6 import_seconds", "W6 dbos import_seconds"),
            "parked_bytes": of("W11 execution bytes"),
        },
    }


def show(found: Mapping[str, Any], no_dbos: str | None) -> None:
    """A table a workload; what was not measured is left out, and said below where it is DBOS."""
    for name, part in found.items():
        if isinstance(part, dict) and name != "peers":
            rows = [
                (words, each.text(_digits(each)))
                for words, each in _flat(part).items()
                if isinstance(each, Figure)
            ]
            rows += [
                ("steps/s and raw commits/s of a round", f"{steps:,.0f}, {raw:,.0f}: {steps / raw:.2f}")
                for steps, raw in part.get("rounds", ())
            ]
            if rows:
                table(f"{name}, median of {found['rounds']} rounds [min..max]", rows)
    if no_dbos is not None:
        print(f"\ndbos: {no_dbos}")
    for doubt in found["doubts"]:
        print(f"\ndoubtful: {doubt}")


def doubts(found: Mapping[str, Any]) -> list[str]:
    """Why the figures, or some of them, should not be believed."""
    reasons: list[str] = []
    load = found["load_average"]
    if load is not None and load > 0.5:
        reasons.append(f"the machine was at work for others when this began (load average {load:.1f})")
    share = found["ratios"]["W1_steps_over_raw_commits"]
    if share is not None and share.median > STEPS / COMMITS:
        reasons.append(
            f"W1 is {share.median:.2f} of raw commits, and {STEPS} steps cannot do with fewer than {COMMITS} commits: "
            "the disk was not steady"
        )
    commit = found["W3"]["raw_commit"]["p50_ms"]
    if commit is not None and commit.median < _COMMIT_MS_MIN:
        reasons.append("raw commits take less than a disk needs: is this a RAM disk?")
    if commit is not None and commit.median > _COMMIT_MS_MAX:
        reasons.append(
            f"raw commits are slow ({commit.median:.1f} ms), which flatters W1, W3 and W4: all else is small beside them"
        )
    return reasons


def _flat(part: Mapping[str, Any]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name, value in part.items():
        if isinstance(value, dict):
            rows.update({f"{name} {inner}": each for inner, each in _flat(value).items()})
        else:
            rows[name] = value
    return rows


def _digits(value: Figure) -> int:
    return 0 if value.median >= 100 else 1 if value.median >= 10 else 3


def run(args: argparse.Namespace) -> None:
    plan = QUICK if args.quick else FULL
    if args.rounds:
        plan = evolve(plan, rounds=args.rounds)
    load = load_average()
    with bed_of(args) as bed:
        dbos = open_peer("dbos_steps", bed.dbos("steps")) if args.peers else "not asked for"
        bench = Bench(plan, bed, Ours(bed.store("steps")), dbos)
        try:
            measure(bench, [name for name in MEASURES if name in args.only.split(",")])
        finally:
            bench.close()
    found: dict[str, Any] = {
        "benchmark": "steps",
        "store": bed.kind,
        "python": platform.python_version(),
        bed.kind: bed.version,
        "refold": version("refold"),
        "rounds": plan.rounds,
        "load_average": load,
        "peers": {"dbos": {"version": dbos.hello["version"]} if isinstance(dbos, Driver) else None},
        **summary(bench.samples, plan.long),
    }
    found["doubts"] = doubts(found)
    show(found, dbos if isinstance(dbos, str) else None)
    if args.json:
        last_line(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.steps", description=(__doc__ or "").split("\n")[0]
    )
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to see that it runs, not how fast")
    parser.add_argument("--rounds", type=int, help="5 unless told otherwise")
    parser.add_argument(
        "--no-peers",
        dest="peers",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="DBOS beside ours",
    )
    parser.add_argument("--only", default=",".join(MEASURES), help="some of " + ",".join(MEASURES))
    run(parser.parse_args())


if __name__ == "__main__":
    main()
