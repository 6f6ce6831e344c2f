"""``python -m tests.crash_matrix``: plays the matrix, and prints its figures and what was wrong."""

import sys

from tests.crash_matrix.matrix import main

main(sys.argv[1:])
