"""``python -m refold_adapters.cli``: the command line where the script is not on the path."""

from __future__ import annotations

import sys

from refold_adapters.cli import main

sys.exit(main())
