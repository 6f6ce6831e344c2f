# Verbs: demo, test, check, slow, bench, docs, format.  All of them need only make and a Python of at least 3.11.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
PIP_INSTALL := -m pip install --quiet --quiet --disable-pip-version-check

# `make demo` needs a few packages only, so it does not wait for the tools unless they are there already.
DEMO_READY := $(if $(wildcard $(VENV)/.ready-dev),$(VENV)/.ready-dev,$(VENV)/.ready-demo)

.PHONY: help demo test check slow bench bench-peers docs format lint types coverage clean .venv

help:
	@echo "make demo     an order book that survives kill -9"
	@echo "make test     the test suite, in random order"
	@echo "make check    format, lint, types, import contract, docs, kernel coverage"
	@echo "make slow     the tests that take minutes, and far more examples of the others"
	@echo "make bench    replay and step rates, as JSON (bench-peers installs what they are compared with)"
	@echo "make docs     the documentation, in docs/_build/html"
	@echo "make format   put the code in order"

demo: $(DEMO_READY)
	@$(BIN)/python -m examples.demo

test: .venv
	@$(BIN)/python -m pytest -n auto

check: lint types docs coverage

lint: .venv
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/refold lint examples
	$(BIN)/python -m pytest -q tests/test_architecture.py

types: .venv
	$(BIN)/mypy
	$(BIN)/pyright

docs: .venv
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

# The kernel's own tests must take every branch of it; what the runtime happens to execute does not count.
coverage: .venv
	$(BIN)/python -m pytest -q -n auto --cov=refold --cov-fail-under=100 tests/kernel property_tests

slow: .venv
	$(BIN)/python -m pytest -n auto --timeout=3600 -m slow
	$(BIN)/python -m pytest -n auto --timeout=7200 -m "not slow" --hypothesis-profile=slow property_tests tests/test_store_differential.py

bench: .venv
	@$(BIN)/python -m benchmarks.replay --json
	@$(BIN)/python -m benchmarks.steps --store sqlite --json

bench-peers: $(PEERS)/.ready

format: .venv
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

clean:
	rm -rf $(VENV) $(PEERS) docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

.venv: $(VENV)/.ready-dev

# Each set of packages has a stamp inside the one environment; a changed pyproject.toml makes both stale.
$(VENV)/.ready-dev: pyproject.toml
	$(call make_venv,$(VENV))
	@$(BIN)/python $(PIP_INSTALL) --editable '.[dev]'
	@touch $@

$(VENV)/.ready-demo: pyproject.toml
	$(call make_venv,$(VENV))
	@$(BIN)/python $(PIP_INSTALL) --editable '.[cli]'
	@touch $@

$(PEERS)/.ready: pyproject.toml benchmarks/peers.txt
	$(call make_venv,$(PEERS))
	@$(PEERS)/bin/python $(PIP_INSTALL) --editable '.[fast]' --requirement benchmarks/peers.txt
	@touch $@

# The first of these commands that is a Python of at least 3.11 with venv; an environment that works is kept.
define make_venv
@if ! $(1)/bin/python -c 'import pip' 2>/dev/null; then \
	for candidate in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
		if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(1) with $$("$$candidate" --version)"; \
			exec "$$candidate" -m venv --clear $(1); \
		fi; \
	done; \
	echo "no Python of at least 3.11 with venv was found; name one: make PYTHON=/path/to/python3" >&2; \
	exit 1; \
fi
endef
