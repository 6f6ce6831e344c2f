"""Runtimes of one's own: each is a short loop over the public names of the kernel."""
