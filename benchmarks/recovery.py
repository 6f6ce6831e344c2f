"""How long runs that a killed process left half done take to complete in the next one, beside DBOS (workload W5).

    python -m benchmarks.recovery --store sqlite|postgres [--json] [--quick] [--runs 1000,10000] [--dbos-runs 1000] [--rounds N]
        [--no-peers] [--dir DIR] [--server URL]

One process starts the runs and is killed (SIGKILL) when each has five of its ten steps on disk.  The time counts from the begin of a second
process, with its imports, until all of them are complete there.
"""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.beds import Bed, add_options, bed_of
from benchmarks.figures import Samples, last_line, load_average, table
from benchmarks.peering import Driver, open_peer, peers_python

_PEER = "peers.dbos_recovery"


def crash_and_recover(module: str, place: str, runs: int, python: Path | None = None) -> dict[str, Any]:
    """What the second process tells of itself."""
    first = Driver(module, place, python=python)
    try:
        left = first.ask("leave", runs=runs)
    finally:
        first.kill()
    with Driver(module, place, python=python) as second:
        return {**second.ask("recover", runs=runs), "left_seconds": left["seconds"]}


def measure(samples: Samples, name: str, found: dict[str, Any], runs: int) -> None:
    samples.add(f"{name} {runs} seconds", found["seconds"])
    samples.add(f"{name} {runs} first step seconds", found["first_step_seconds"])
    samples.add(f"{name} {runs} resident MB", found["resident_bytes"] / 1e6)


def run(args: argparse.Namespace) -> None:
    sizes = [10] if args.quick else [int(size) for size in args.runs.split(",")]
    rounds = 1 if args.quick else args.rounds
    load = load_average()
    samples = Samples()
    with bed_of(args) as bed:
        no_dbos = _why_no_dbos(bed) if args.peers else "not asked for"
        for _ in range(rounds):
            for runs in sizes:
                measure(samples, "W5", crash_and_recover("recovering", bed.store("recovery"), runs), runs)
                bed.drop("recovery")
                if no_dbos is None and runs <= args.dbos_runs:
                    theirs = crash_and_recover(_PEER, bed.dbos("recovery"), runs, peers_python())
                    measure(samples, "W5 dbos", theirs, runs)
                    bed.drop("recovery")
    found: dict[str, Any] = {
        "benchmark": "recovery",
        "store": bed.kind,
        "python": platform.python_version(),
        bed.kind: bed.version,
        "refold": version("refold"),
        "rounds": rounds,
        "load_average": load,
        "runs": {str(runs): of_size(samples, runs) for runs in sizes},
    }
    for runs in sizes:
        rows = [(key, each.text(2)) for key, each in found["runs"][str(runs)].items() if each is not None]
        table(f"{runs:,} runs, median of {rounds} rounds [min..max]", rows)
    if no_dbos is not None:
        print(f"\ndbos: {no_dbos}")
    if args.json:
        last_line(found)


def _why_no_dbos(bed: Bed) -> str | None:
    peer = open_peer("dbos_recovery", bed.dbos("recovery"))
    if isinstance(peer, str):
        return peer
    peer.close()
    return None


def of_size(samples: Samples, runs: int) -> dict[str, Any]:
    return {
        "seconds": samples.figure(f"W5 {runs} seconds"),
        "first_step_seconds": samples.figure(f"W5 {runs} first step seconds"),
        "resident_mb": samples.figure(f"W5 {runs} resident MB"),
        "dbos_seconds": samples.figure(f"W5 dbos {runs} seconds"),
        "dbos_resident_mb": samples.figure(f"W5 dbos {runs} resident MB"),
        "seconds_over_dbos": samples.ratio(f"W5 {runs} seconds", f"W5 dbos {runs} seconds"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recovery", description=(__doc__ or "").split("\n")[0]
    )
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--quick", action="store_true", help="ten runs: to see that it works, not how fast")
    parser.add_argument("--runs", default="1000,10000", help="how many runs are left half done, by turns")
    parser.add_argument(
        "--dbos-runs", type=int, default=1000, help="up to how many DBOS is asked to recover too"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--no-peers",
        dest="peers",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="DBOS beside ours",
    )
    run(parser.parse_args())


if __name__ == "__main__":
    main()
