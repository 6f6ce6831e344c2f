from __future__ import annotations

import attrs

from refold import Workflow, activity

from .stamps import Label, stamped


@activity
def pack(order: str) -> str: ...


@attrs.frozen
class Parcel:
    label: Label

    def weigh(self) -> float:
        return self._scale()

    def _scale(self) -> float:
        with open("/dev/scale") as scale:  # trap: RFL201
            return float(scale.read())


def packed(order: str) -> Workflow[Parcel]:
    yield from pack(order)
    return Parcel(Label())


def labelled(order: str) -> str:
    return stamped(order)
