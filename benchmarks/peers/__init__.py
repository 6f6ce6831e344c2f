"""Drivers of other engines, each a program of its own that runs in the environment of `make bench-peers`."""
