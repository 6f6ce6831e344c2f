import datetime
import uuid


class Label:
    def print(self) -> None:
        print("label")  # trap: RFL204


def stamped(order: str) -> str:
    return _stamp()


def _stamp() -> str:
    return str(uuid.uuid4())  # trap: RFL102


def reexported(order: str) -> str:
    return str(datetime.date.today())  # trap: RFL101


def by_time(_: object) -> float:
    return datetime.datetime.now().timestamp()  # trap: RFL101
