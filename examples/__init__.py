"""Programs to read, run and copy from; each of them is run by the tests."""
