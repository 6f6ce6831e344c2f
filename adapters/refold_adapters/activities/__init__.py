"""Attempts at activities: taken from the store, run in threads, coroutines and processes, and ended."""
