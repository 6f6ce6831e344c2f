"""The options that users give, with their defaults as the reference shows them: read from the code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import Enum
from typing import Any

import attrs

from refold import ActivityOptions, ChildWorkflowOptions, RetryPolicy, activity, continue_as_new, workflow
from refold_adapters import AsyncClient, Client, StartOptions, Worker
from refold_adapters.client.standalone import ActivityKeywords


def shown(default: object) -> str:
    """A default as a reader sees it."""
    if default in (attrs.NOTHING, inspect.Parameter.empty):
        return "required"
    if default is None or default == ():
        return "none"
    if isinstance(default, Enum):
        return f"`{default.name}`"
    if isinstance(default, timedelta):
        return f"{default.total_seconds():g} s"
    if isinstance(default, str):
        return f'`"{default}"`'
    return f"`{default}`" if not isinstance(default, RetryPolicy) else "`RetryPolicy()`"


def of_class(cls: type[Any]) -> Mapping[str, str]:
    return {field.name: shown(field.default) for field in attrs.fields(cls)}


def of_keywords(function: Callable[..., Any]) -> Mapping[str, str]:
    parameters = inspect.signature(function).parameters.values()
    return {each.name: shown(each.default) for each in parameters if each.kind is each.KEYWORD_ONLY}


def of_parameters(function: Callable[..., Any]) -> Mapping[str, str]:
    """All of them, but for ``self``."""
    first, *others = inspect.signature(function).parameters.values()
    assert first.name == "self"
    return {each.name: shown(each.default) for each in others}


def of_standalone_activities() -> Mapping[str, str]:
    """Those of the activity replace what was declared with it; those of the start are a start's."""
    defaults = {**of_class(StartOptions), **dict.fromkeys(of_class(ActivityOptions), "as declared")}
    return {name: defaults[name] for name in ActivityKeywords.__annotations__}


#: By the title of their section.
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "Starting a run": of_class(StartOptions),
    "Declaring a workflow": of_keywords(workflow),
    "Declaring an activity": of_keywords(activity),
    "Activities": of_class(ActivityOptions),
    "Stand-alone activities": of_standalone_activities(),
    "Retry policy": of_class(RetryPolicy),
    "Child workflows": of_class(ChildWorkflowOptions),
    "Continue-as-new": of_keywords(continue_as_new),
    "Workers": of_keywords(Worker.__init__),
    "Clients": of_keywords(Client.__init__),
    "Clients for asyncio": of_parameters(AsyncClient.__init__),
}
