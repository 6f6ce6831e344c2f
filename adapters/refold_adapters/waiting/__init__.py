"""Clients that wait: for the end of a run, and for what becomes of an update."""
