"""What is done to a run from outside, without its code: ended, paused, reset, copied, looked at, forgotten."""
