"""refold_adapters: everything impure around the kernel: stores, worker, client, command line."""

__all__: list[str] = []
