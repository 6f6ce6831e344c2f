"""What can be wrong with a test of a workflow, or be found by one (RF53xx).

One rule: a property of the user's own that does not hold is raised as it is; these are for what refold itself has to say.
"""

from __future__ import annotations

from typing import ClassVar

from refold import RefoldError

CODES: dict[str, str] = {
    "RF5301": "A test does not say how an activity or a child ends",
    "RF5302": "A workflow answers otherwise after a crash",
    "RF5303": "A test of a workflow cannot be made like this",
    "RF5304": "There are no histories to replay",
    "RF5305": "The workflow does not keep to its playbook",
}


class KitError(RefoldError):
    """A test of a workflow cannot be made as it is written, or found that the workflow does not replay (RF53xx)."""

    known_codes: ClassVar[dict[str, str]] = CODES


class PlaybookError(KitError, AssertionError):
    """A workflow did something else than its :class:`Playbook` says (RF5305)."""
