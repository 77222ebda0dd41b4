PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Processes share the cores; more threads in each would only contend for them.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

# Ray's workers get their share of a core beside what else is busy, and wait for more work instead
# of being started again, which takes seconds.
export RAY_worker_niceness := 0
export RAY_idle_worker_killing_time_threshold_ms := 600000

# A pipe fails with whatever failed in it.
SHELL := bash
.SHELLFLAGS := -o pipefail -c

# Runs tests under a name that stands before each line, with a Ray of their own.
define TESTS
	@folder=$$(mktemp -d /tmp/ray-XXXXXX) && trap 'rm -rf '$$folder EXIT && \
		RAY_TMPDIR=$$folder $(BIN)/pytest $(2) 2>&1 | sed -u 's/^/$(1) | /'
endef

.PHONY: setup demo test check lint test-service test-library bench format clean
.DEFAULT_GOAL := test

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null \
		|| { echo "$(PYTHON) not found: install Python 3.11 or newer, or name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Surrogym needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1): name a newer one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian: apt install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/surrogym demo

# Two lanes, side by side: tests of the service wait for processes as much as they compute.
test: $(READY)
	@$(MAKE) --jobs=2 --keep-going --no-print-directory test-service lint test-library

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-service: $(READY)
	$(call TESTS,service,tests/service)

test-library: $(READY)
	$(call TESTS,library,--ignore=tests/service)

check: test

bench: $(READY)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.readme

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
