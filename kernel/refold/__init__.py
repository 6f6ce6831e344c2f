"""refold: durable execution as a pure function.

A workflow is a plain generator that yields effects; the kernel folds a history of events into state and says which commands come
next.  This package reads no clock, opens no file and starts no thread: all of that is in ``refold_adapters``, or in a loop of your own
around :class:`Execution`.
"""

from refold.author import (
    Handle,
    Outcome,
    all_handlers_finished,
    all_of,
    all_settled,
    any_of,
    cancel,
    deprecate_patch,
    execute_activity,
    first_of,
    info,
    log,
    now,
    patched,
    random,
    shield,
    side_effect,
    sleep,
    start,
    uuid4,
    wait_until,
    with_timeout,
)
from refold.branches import Quarantined, quarantined
from refold.child_options import ChildWorkflowCancellationType, ChildWorkflowOptions
from refold.class_form import workflow
from refold.decide import decide, decide_turn
from refold.declare import Activity, WorkflowDefinition, activity
from refold.divergence import Divergence, InputPolicy
from refold.effects import Effect, Workflow
from refold.errors import (
    DefinitionError,
    HistoryError,
    MessageError,
    NondeterminismError,
    PayloadError,
    QueryError,
    RefoldError,
    WorkflowTaskError,
)
from refold.evolve import evolve, fold, outstanding
from refold.execution import Execution, Turn, open_executions
from refold.failures import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    ContinueAsNewError,
    ExternalWorkflowError,
    Failure,
    FailureError,
    RetryState,
    TerminatedError,
    TimeoutError,
    TimeoutType,
    WorkflowAlreadyStartedError,
)
from refold.handlers import Handling
from refold.inbound import Query, Signal, Update
from refold.others import (
    ChildWorkflowHandle,
    ExternalWorkflowHandle,
    continue_as_new,
    execute_child_workflow,
    external_workflow,
    start_child_workflow,
    upsert_memo,
    upsert_search_attributes,
)
from refold.policies import (
    ActivityCancellationType,
    ActivityOptions,
    HandlerUnfinishedPolicy,
    ParentClosePolicy,
    RetryDecision,
    RetryPolicy,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
    next_attempt,
)
from refold.prng import Random
from refold.saga import Saga
from refold.search_attributes import SearchAttributeKey, SearchAttributeKind, SearchAttributePair
from refold.state import ExecutionState, WorkflowStatus, initial_state, is_terminal
from refold.waiting import Waiting
from refold.waits import Step, WorkflowInfo

__version__ = "0.1.0"

__all__ = [
    "Activity",
    "ActivityCancellationType",
    "ActivityError",
    "ActivityOptions",
    "ApplicationError",
    "CancelledError",
    "ChildWorkflowCancellationType",
    "ChildWorkflowError",
    "ChildWorkflowHandle",
    "ChildWorkflowOptions",
    "ContinueAsNewError",
    "DefinitionError",
    "Divergence",
    "Effect",
    "Execution",
    "ExecutionState",
    "ExternalWorkflowError",
    "ExternalWorkflowHandle",
    "Failure",
    "FailureError",
    "Handle",
    "HandlerUnfinishedPolicy",
    "Handling",
    "HistoryError",
    "InputPolicy",
    "MessageError",
    "NondeterminismError",
    "Outcome",
    "ParentClosePolicy",
    "PayloadError",
    "Quarantined",
    "Query",
    "QueryError",
    "Random",
    "RefoldError",
    "RetryDecision",
    "RetryPolicy",
    "RetryState",
    "Saga",
    "SearchAttributeKey",
    "SearchAttributeKind",
    "SearchAttributePair",
    "Signal",
    "Step",
    "TerminatedError",
    "TimeoutError",
    "TimeoutType",
    "Turn",
    "Update",
    "Waiting",
    "Workflow",
    "WorkflowAlreadyStartedError",
    "WorkflowDefinition",
    "WorkflowIDConflictPolicy",
    "WorkflowIDReusePolicy",
    "WorkflowInfo",
    "WorkflowStatus",
    "WorkflowTaskError",
    "__version__",
    "activity",
    "all_handlers_finished",
    "all_of",
    "all_settled",
    "any_of",
    "cancel",
    "continue_as_new",
    "decide",
    "decide_turn",
    "deprecate_patch",
    "evolve",
    "execute_activity",
    "execute_child_workflow",
    "external_workflow",
    "first_of",
    "fold",
    "info",
    "initial_state",
    "is_terminal",
    "log",
    "next_attempt",
    "now",
    "open_executions",
    "outstanding",
    "patched",
    "quarantined",
    "random",
    "shield",
    "side_effect",
    "sleep",
    "start",
    "start_child_workflow",
    "upsert_memo",
    "upsert_search_attributes",
    "uuid4",
    "wait_until",
    "with_timeout",
    "workflow",
]
