"""The worker: claims runs, feeds them what they wait for, makes their turns and commits them together."""
