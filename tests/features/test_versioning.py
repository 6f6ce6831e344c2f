"""A run that is pinned to a build is run by workers that serve it, and by no others, on every store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from refold import Workflow, workflow
from refold_adapters import Client, ExecutionError, Store, VersioningBehavior, Worker
from tests.features.operating import build_of, passes
from tests.runtime.conftest import MakeEngine

SECONDS = timedelta(seconds=10)
A_MOMENT = timedelta(milliseconds=50)


def test_a_run_is_pinned_to_the_build_of_the_worker_that_begins_it(
    make_engine: MakeEngine, store: Store
) -> None:
    first = make_engine(workflows=[build_of], build_id="v1")
    handle = first.start(build_of, id="built")
    assert "v1" == handle.describe().run.build_id
    assert 1 == first.count("BuildId = 'v1'")
    first.worker.shutdown()

    second = make_engine(workflows=[build_of], build_id="v2")
    handle = second.handle("built")
    handle.signal(passes, "go")
    with pytest.raises(TimeoutError):
        handle.result(timeout=A_MOMENT)
    third = make_engine(workflows=[build_of], build_id="v3", serves=["v1"])
    assert "v1" == third.handle("built").result(timeout=SECONDS)


def test_a_run_that_is_moved_goes_on_under_the_other_build(make_engine: MakeEngine) -> None:
    old = make_engine(workflows=[build_of], build_id="v1")
    new = make_engine(workflows=[build_of], build_id="v2")
    handle = old.start(build_of, id="built")
    Client(old.store).handle("built").update_options(build_id="v2")
    old.worker.shutdown()
    assert "v2" == handle.describe().run.build_id
    new.handle("built").signal(passes, "go")
    new.handle("built").result(timeout=SECONDS)


def test_runs_that_upgrade_go_on_under_the_next_build_by_themselves(make_engine: MakeEngine) -> None:
    options = {"workflows": [build_of], "versioning_behavior": VersioningBehavior.AUTO_UPGRADE}
    old = make_engine(build_id="v1", **options)
    handles = [old.start(build_of, id=f"built-{number}") for number in range(3)]
    old.worker.shutdown()

    new = make_engine(build_id="v2", **options)
    for handle in handles:
        new.handle(handle.workflow_id).signal(passes, "go")
        assert new.handle(handle.workflow_id).result(timeout=SECONDS) is None
    assert [2, 2, 2] == [handle.describe().run.turn for handle in handles]


def test_a_worker_without_a_build_runs_what_is_pinned_to_none(make_engine: MakeEngine) -> None:
    upgrading = make_engine(
        workflows=[build_of], build_id="v1", versioning_behavior=VersioningBehavior.AUTO_UPGRADE
    )
    handle = upgrading.start(build_of, id="free")
    assert handle.describe().run.build_id is None
    upgrading.worker.shutdown()
    plain = make_engine(workflows=[build_of])
    plain.handle("free").signal(passes, "go")
    assert plain.handle("free").result(timeout=SECONDS) is None
    Client(plain.store).start(build_of, id="pinned", build_id="v9").signal(passes, "go")
    with pytest.raises(TimeoutError):
        plain.handle("pinned").result(timeout=A_MOMENT)


def test_a_worker_is_refused_a_text_where_a_list_of_builds_is_meant(store: Store) -> None:
    with pytest.raises(ExecutionError, match="RF5113"):
        Worker(store, serves="v1")


@workflow
def at_once() -> Workflow[str]:
    yield from ()
    return "done"


def test_a_run_that_closes_in_its_first_turn_is_pinned_to_the_build_that_made_it(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(workflows=[at_once], build_id="1")
    engine.run(at_once, id="a")

    assert "1" == engine.row("a", None).build_id
