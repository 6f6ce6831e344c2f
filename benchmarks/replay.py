"""How fast histories are replayed, beside temporalio's Replayer, durabletask's executor and a bare generator loop.

    python -m benchmarks.replay [--json] [--quick] [--rounds N] [--no-peers]

In each round everything is measured once; ratios are taken within a round.  Products differ in their events a step, so they are
compared by steps a second.  With ``--json`` the last line of the output is one JSON object.
"""

from __future__ import annotations

import argparse
import gc
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from attrs import evolve, field, frozen

from benchmarks.figures import Figure, Samples, a_call, last_line, load_average, table
from benchmarks.histories import History, make_history
from benchmarks.limits import BareLoop
from benchmarks.peering import Driver, open_peer
from refold_adapters import event_decoder

PEERS = {"temporalio": "temporal_replay", "durabletask": "durabletask_replay"}
LOOP, LOOP_OF_THREE = "bare loop", "bare loop, three events a step"
FORMS = {
    "objects": "from event objects",
    "bytes_fast": "from stored bytes, msgspec",
    "bytes_base": "from stored bytes, json",
}


@frozen
class Plan:
    rounds: int
    sizes: Sequence[int]
    #: The size at which products are compared, one of the above.
    common: int
    fan: int
    #: What is quick is repeated for so long.
    seconds: float


FULL = Plan(rounds=7, sizes=(100, 1_000, 10_000, 100_000), common=1_000, fan=1_000, seconds=0.15)
QUICK = Plan(rounds=1, sizes=(10, 20), common=10, fan=20, seconds=0.001)


@frozen
class Bench:
    """What takes turns, and the seconds of one replay that were found, by case; those of the processor under ``<case> cpu``."""

    plan: Plan
    histories: Mapping[str, History]
    #: The bare generator loop over a history of two events a step, as ours has them, and over one of three.
    loops: Mapping[str, BareLoop]
    #: A running driver, or why there is none.
    peers: Mapping[str, Driver | str]
    samples: Samples = field(factory=Samples)

    def add(self, case: str, replay: Callable[[], None]) -> None:
        spent = a_call(replay, self.plan.seconds)
        self.samples.add(case, spent.wall)
        self.samples.add(f"{case} cpu", spent.cpu)

    def ours(self, name: str) -> None:
        for form, replay in forms_of(self.histories[name]).items():
            self.add(f"{name} {form}", replay)

    def theirs(self, name: str, shape: str, steps: int) -> None:
        peer = self.peers[name]
        if isinstance(peer, Driver):
            found = peer.ask("replay", shape=shape, steps=steps)
            self.samples.add(f"{name} {shape}", found["seconds"])
            self.samples.add(f"{name} {shape} cpu", found["cpu_seconds"])

    def grown(self, size: int) -> None:
        """A longer history, and beside it the common one, to tell whether a step takes longer there."""
        plan = self.plan
        common = forms_of(self.histories[f"sequential {plan.common}"])
        for form, replay in forms_of(self.histories[f"sequential {size}"]).items():
            self.add(f"sequential {plan.common} {form} beside {size}", common[form])
            self.add(f"sequential {size} {form}", replay)

    def one_round(self) -> None:
        """Everything once.  What is compared stands side by side, because the machine's speed may change at any moment."""
        plan = self.plan
        self.theirs("temporalio", "sequential", plan.common)
        self.ours(f"sequential {plan.common}")
        for name, loop in self.loops.items():
            self.add(name, loop.replay)
        self.theirs("durabletask", "sequential", plan.common)
        self.theirs("temporalio", "fan_out", plan.fan)
        self.ours(f"fan_out {plan.fan}")
        self.theirs("durabletask", "fan_out", plan.fan)
        for size in plan.sizes:
            if size < plan.common:
                self.ours(f"sequential {size}")
            elif size > plan.common:
                self.grown(size)

    def close(self) -> None:
        for peer in self.peers.values():
            if isinstance(peer, Driver):
                peer.close()


def forms_of(history: History) -> dict[str, Callable[[], None]]:
    """How a history is replayed, by form; without msgspec there is no fast one."""
    base = event_decoder(prefer_fast=False)
    forms: dict[str, Callable[[], None]] = {}
    if find_spec("msgspec") is not None:
        fast = event_decoder()
        forms["bytes_fast"] = lambda: history.replay_bytes(fast)
    forms["bytes_base"] = lambda: history.replay_bytes(base)
    forms["objects"] = history.replay_objects
    return forms


def ratios(bench: Bench, time: str = "") -> dict[str, Any]:
    """Ratios of times by the clock, or with `` cpu`` of the processor's, which a busy machine blurs far less.

    Only by the clock where temporalio is concerned: its threads overlap, so its processor time is longer and would flatter ours.
    """
    plan = bench.plan

    def over(upper: str, lower: str, factor: float = 1) -> Figure | None:
        return bench.samples.ratio(upper + time, lower + time, factor)

    common, fan = f"sequential {plan.common}", f"fan_out {plan.fan}"
    events = len(bench.histories[common].events) / len(bench.loops[LOOP_OF_THREE].history)
    found: dict[str, Any] = {
        "bytes_fast_over_temporalio": over("temporalio sequential", f"{common} bytes_fast"),
        "bytes_base_over_temporalio": over("temporalio sequential", f"{common} bytes_base"),
        "bytes_fast_over_durabletask": over("durabletask sequential", f"{common} bytes_fast"),
        "bytes_base_over_durabletask": over("durabletask sequential", f"{common} bytes_base"),
        "objects_over_bare_loop_of_the_same_events": over(LOOP, f"{common} objects"),
        "objects_events_over_events_of_a_bare_loop_of_three_a_step": over(
            LOOP_OF_THREE, f"{common} objects", events
        ),
        "objects_steps_over_steps_of_a_bare_loop_of_three_a_step": over(LOOP_OF_THREE, f"{common} objects"),
        "fan_out_bytes_fast_over_temporalio": over("temporalio fan_out", f"{fan} bytes_fast"),
        "fan_out_bytes_fast_over_durabletask": over("durabletask fan_out", f"{fan} bytes_fast"),
    }
    for size in plan.sizes:
        if size > plan.common:
            found[f"time_per_step_{size}_over_{plan.common}"] = {
                form: over(f"sequential {size} {form}", f"{common} {form} beside {size}", plan.common / size)
                for form in FORMS
            }
    return {name: value for name, value in found.items() if not (time and "temporalio" in name)}


def report(bench: Bench, load: float | None) -> dict[str, Any]:
    plan, samples = bench.plan, bench.samples
    ours: dict[str, Any] = {}
    for name, history in bench.histories.items():
        ours[name] = {"steps": history.steps, "events": len(history.events), "bytes": history.bytes}
        for form in FORMS:
            ours[name][form] = {
                "steps_per_second": samples.rate(f"{name} {form}", history.steps),
                "events_per_second": samples.rate(f"{name} {form}", len(history.events)),
            }
    theirs: dict[str, Any] = {}
    for name, peer in bench.peers.items():
        theirs[name] = None
        if isinstance(peer, Driver):
            theirs[name] = {
                "version": peer.hello["version"],
                "sequential_steps_per_second": samples.rate(f"{name} sequential", plan.common),
                "fan_out_steps_per_second": samples.rate(f"{name} fan_out", plan.fan),
            }
    return {
        "benchmark": "replay",
        "python": platform.python_version(),
        "refold": version("refold"),
        "msgspec": version("msgspec") if find_spec("msgspec") is not None else None,
        "rounds": plan.rounds,
        "load_average": load,
        "histories": ours,
        "bare_loops": {
            name: {"steps": loop.steps, "events_per_second": samples.rate(name, len(loop.history))}
            for name, loop in bench.loops.items()
        },
        "peers": theirs,
        "ratios": ratios(bench),
        "cpu_ratios": ratios(bench, " cpu"),
    }


def show(found: Mapping[str, Any], peers: Mapping[str, Driver | str]) -> None:
    rounds = f"median of {found['rounds']} rounds [min..max]"
    for title, unit in (("steps/s", "steps_per_second"), ("events/s", "events_per_second")):
        rows = [
            (f"{name}, {words}", _text(history[form][unit]))
            for name, history in found["histories"].items()
            for form, words in FORMS.items()
        ]
        if unit == "events_per_second":
            rows += [(name, _text(loop[unit])) for name, loop in found["bare_loops"].items()]
        else:
            for name, peer in peers.items():
                for shape in ("sequential", "fan_out"):
                    value = peer if isinstance(peer, str) else _text(found["peers"][name][f"{shape}_{unit}"])
                    rows.append((f"{name}, {shape}", value))
        table(f"{title}, {rounds}", rows)
    for title, kind in (("ratios", "ratios"), ("ratios of processor time", "cpu_ratios")):
        rows = []
        for name, value in found[kind].items():
            for form, each in value.items() if isinstance(value, dict) else (("", value),):
                rows.append((f"{name} {form}", _text(each, 2)))
        table(f"{title}, {rounds}", rows)


def _text(value: Figure | None, digits: int = 0) -> str:
    return "not measured" if value is None else value.text(digits)


def run(args: argparse.Namespace) -> None:
    plan = QUICK if args.quick else FULL
    if args.rounds:
        plan = evolve(plan, rounds=args.rounds)
    load = load_average()
    histories = {f"sequential {size}": make_history("sequential", size) for size in plan.sizes}
    histories[f"fan_out {plan.fan}"] = make_history("fan_out", plan.fan)
    peers = {name: open_peer(module) if args.peers else "not asked for" for name, module in PEERS.items()}
    loops = {LOOP: BareLoop(plan.common), LOOP_OF_THREE: BareLoop(plan.common, picked_up=True)}
    bench = Bench(plan, histories, loops, peers)
    # A worker holds one history while it replays it: the others must not make its garbage collections longer.
    gc.collect()
    gc.freeze()
    try:
        bench.one_round()  # warms up
        bench.samples.clear()
        for _ in range(plan.rounds):
            bench.one_round()
    finally:
        bench.close()
    found = report(bench, load)
    show(found, peers)
    if args.json:
        last_line(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.replay", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to see that it runs, not how fast")
    parser.add_argument("--rounds", type=int, help="7 unless told otherwise")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="only ours and the bare loop")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
