"""refold: the pure kernel of durable execution."""

__all__: list[str] = []
