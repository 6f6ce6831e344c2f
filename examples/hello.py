from datetime import timedelta

from refold import Workflow, activity, sleep, workflow
from refold_adapters import Engine


@activity
def greet(name: str) -> str:
    return f"Hello, {name}!"


@workflow
def hello(name: str) -> Workflow[str]:
    greeting = yield from greet(name)
    yield from sleep(timedelta(seconds=1))
    return greeting


with Engine("hello.db", workflows=[hello], activities=[greet]) as engine:
    print(engine.run(hello, "world", id="hello"))
