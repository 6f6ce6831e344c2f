"""Declarations that the kernel's tests share."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

from refold import ActivityCancellationType, Effect, Query, Signal, Workflow, activity, now, workflow

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

#: What a generator that is no workflow of its own returns.
Steps = Generator[Effect[Any], object, Any]


@activity
def reserve(item: str) -> str: ...


@activity
def charge(amount: int) -> int: ...


@activity
def release(item: str) -> None: ...


@activity
def refund(amount: int) -> None: ...


@activity(cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
def patient(amount: int) -> int: ...


@activity(cancellation_type=ActivityCancellationType.ABANDON)
def abandoned(amount: int) -> int: ...


approval = Signal("approval", str)
number = Signal("number", int)
nudge = Signal("nudge")
status = Query("status", str)


@workflow
def sub(amount: int) -> Workflow[int]:
    """A child workflow; only its declaration is used."""
    yield from now()
    return amount
