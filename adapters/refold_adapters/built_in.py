"""The workflows that are part of refold: every worker can run them, and no other workflow may have such a name.

One rule: a history of theirs may outlive any release, so what they yield is changed under a patch only.
"""

from __future__ import annotations

from typing import Any

import attrs

from refold import (
    ActivityCancellationType,
    ActivityOptions,
    Workflow,
    WorkflowDefinition,
    execute_activity,
    workflow,
)
from refold.payloads import Plain

#: What names of workflows of refold begin with.
RESERVED_PREFIX = "__refold_"
#: The type of the run that a stand-alone activity is.
STANDALONE_ACTIVITY = "__refold_activity"


@workflow(name=STANDALONE_ACTIVITY)
def standalone_activity(activity_type: str, input: list[Any], options: dict[str, Any]) -> Workflow[Any]:
    """One activity; arguments and result are plain data, as whoever starts it knows their types."""
    chosen = attrs.asdict(ActivityOptions.from_plain(options), recurse=False)
    return (yield from execute_activity(activity_type, *input, **chosen))


def standalone_options(options: ActivityOptions) -> dict[str, Plain]:
    """The options of an activity, as the workflow takes them: it runs on the queue of its run, which ends when it has stopped."""
    changes = {
        "task_queue": None,
        "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    }
    return options.changed(changes).to_plain()


BUILT_IN: dict[str, WorkflowDefinition[..., Any]] = {STANDALONE_ACTIVITY: standalone_activity}
