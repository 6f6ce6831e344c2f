"""The commands by name, in the order and the sections of the help.

One rule: a command is here with the place that has it and with what it does in one line, so that the help imports none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

#: Module and, after a colon, the attribute (``command`` if none is named); and the line of the help.
Entry: TypeAlias = tuple[str, str]

SECTIONS: Mapping[str, Mapping[str, Entry]] = MappingProxyType(
    {
        "Run and start": {
            "run": ("run", "Run a workflow in this process and print its result."),
            "start": ("start", "Start a workflow and return at once."),
            "worker": ("worker", "Run workflows and activities until stopped."),
        },
        "Look at runs": {
            "list": ("listing", "List runs, newest first."),
            "count": ("count", "Count runs."),
            "show": ("show", "Show the history of a run."),
            "describe": ("describe", "Say how a run stands and what it waits for."),
            "stack": ("stack", "Say at which lines of its code a run waits."),
            "result": ("result", "Wait for a run to end and print its result."),
        },
        "Talk to runs": {
            "signal": ("signal", "Send a signal to runs."),
            "signal-with-start": ("signal_with_start", "Signal a run, and start it if there is none."),
            "update": ("update", "Update a run and print the answer."),
            "update-with-start": ("update_with_start", "Update a run, and start it if there is none."),
            "query": ("query", "Ask a run, open or closed."),
        },
        "Operate runs": {
            "cancel": ("cancel", "Ask runs to stop."),
            "terminate": ("terminate", "End runs at once, without asking their code."),
            "pause": ("pause", "Keep runs from going on."),
            "resume": ("resume", "Let paused runs go on."),
            "retry": ("retry", "Let parked runs be tried again."),
            "reset": ("reset", "Begin runs anew at one of their turns."),
            "fork": ("fork", "Begin another run as a copy of one."),
            "update-options": ("update_options", "Move runs to another build of their code."),
            "delete": ("delete", "Remove runs with their histories."),
        },
        "Operate activities": {
            "activity": ("activity", "Start, list, complete, pause and change activities."),
        },
        "Histories and checks": {
            "export": ("export", "Write histories to files, one a run."),
            "replay": ("replay", "Replay histories against today's code."),
            "lint": ("lint", "Find what in workflow code would not replay."),
            "doctor": ("doctor", "Check this installation and the store."),
        },
    }
)

#: The commands of ``refold activity``.
ACTIVITY_SECTIONS: Mapping[str, Mapping[str, Entry]] = MappingProxyType(
    {
        "Start": {
            "start": ("activity_starting:start", "Start an activity without a workflow."),
            "execute": ("activity_starting:execute", "Start one and print its result."),
        },
        "Look": {
            "list": (
                "activity_looking:list_activities",
                "List open activities, those of the newest runs first.",
            ),
            "describe": ("activity_looking:describe", "Say how an activity stands."),
        },
        "Give an outcome": {
            "complete": ("activity_outcomes:complete", "Complete an activity with a result."),
            "fail": ("activity_outcomes:fail", "Fail an attempt of an activity."),
            "heartbeat": ("activity_outcomes:heartbeat", "Say that an attempt is alive."),
        },
        "Operate": {
            "cancel": ("activity_operations:cancel", "Ask an activity to stop."),
            "pause": ("activity_operations:pause", "Begin no attempt of an activity."),
            "unpause": ("activity_operations:unpause", "Let a paused activity go on."),
            "reset": ("activity_operations:reset", "Begin an activity at its first attempt."),
            "update-options": ("activity_operations:update_options", "Change options of an activity."),
        },
    }
)

COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {name: entry for section in SECTIONS.values() for name, entry in section.items()}
)
