"""The crash matrix: real processes, killed at every operation of their store."""
