"""A shop's order book, processed by a durable workflow.

``workflow`` is the story, ``activities`` what touches the world, ``ledger`` the world's own memory of it, ``book`` reads the
orders, ``audit`` compares what refold says with what the ledger says, and ``worker`` is the process that may be killed.
"""
