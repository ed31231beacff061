# `make demo` and `make test` do all set-up; `make setup` is that set-up alone.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup demo test test-long check loops screenshot bench-gpu bench-dedup bench-memory bench-reading bench-curation bench-datasets clean

setup: $(READY)

# torch goes first: what follows then finds a build that fits, and fetches no second one.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Headwater needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing torch and some 250 packages into .venv, once; pip is silent for the minutes that this takes"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 -c constraints.txt -e '.[training,harness,language,annotation,cloud,formats,dev]'
	@touch $@

demo: $(READY)
	@test -f demo/headwater.yaml || $(BIN)/headwater init demo --template docstrings
	$(BIN)/headwater run -w demo

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The tests start some hundreds of processes: what one of them compiled the others read.
unexport PYTHONDONTWRITEBYTECODE

# Checking types and compiling loops take a core each. The tests lose no power: eatmydata has them not wait for the disk. With
# three processes on two cores Dagster took over half a minute to answer one of them.
test: $(READY)
	$(MAKE) --no-print-directory -j2 check loops
	$(shell command -v eatmydata) $(BIN)/pytest -n 2 --dist loadfile -m 'not long'

loops: $(READY)
	@$(BIN)/python -m tests.curation.measuring_nothing >/dev/null

test-long: $(READY)
	$(BIN)/pytest -m long

screenshot: $(READY)
	$(BIN)/python docs/screenshot.py

bench-gpu: $(READY)
	$(BIN)/python -m benchmarks.gpu

bench-dedup: $(READY)
	$(BIN)/python -m benchmarks.deduplication
	$(BIN)/python -m benchmarks.deduplication.additions

bench-memory: $(READY)
	$(BIN)/python -m benchmarks.deduplication.beyond_memory

bench-reading: $(READY)
	$(BIN)/python -m benchmarks.reading

bench-curation: $(READY)
	$(BIN)/python -m benchmarks.curation

bench-datasets: $(READY)
	$(BIN)/python -m benchmarks.datasets

clean:
	rm -rf .venv demo build *.egg-info
