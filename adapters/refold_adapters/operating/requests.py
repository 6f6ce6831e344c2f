"""Calls that people may make again because they heard no answer: each under the request id that its caller gave it.

One rule: what a call writes and that it was made are one commit, and whoever makes it again is given the first answer.  So it does not
matter which process makes it, nor whether its run has closed or was deleted since.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from refold.ids import checked_id
from refold.value import Value
from refold_adapters.ports import Askable, Once, Outcome, Store


@attrs.frozen(eq=False, repr=False)
class Request(Value):
    """One call; without a request id, it is another one each time."""

    store: Store
    #: Under which it is noted.
    name: str | None = None

    @classmethod
    def of(cls, store: Store, request_id: str | None, call: str, *about: str) -> Request:
        """The call of that name, about what these ids name; raises RF1003 for what is no request id."""
        if request_id is None:
            return cls(store)
        return cls(
            store, json.dumps([call, *about, checked_id(request_id, "request id")], ensure_ascii=False)
        )

    def first_answer(self) -> Any:
        """What was answered when the call was made before, in a list of one; None if it was not."""
        noted = None if self.name is None else self.store.find_answer(self.name)
        return None if noted is None else [json.loads(noted)]

    def apply(self, write: Askable | None, answer: Any = None) -> Outcome | None:
        """Carry the call out with that write, or by doing nothing, and note what it is answered."""
        if self.name is not None:
            (outcome,) = self.store.apply(
                [Once(request=self.name, write=write, answer=json.dumps(answer).encode())]
            )
            return outcome
        return None if write is None else self.store.apply([write])[0]
