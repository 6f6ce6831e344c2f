"""From a turn of the kernel to one write of the store, and back from what is stored to a result."""
