# What one does with a checkout, on a machine that has nothing but Python and make.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
BENCH_STAMP := $(VENV)/.setup-bench-done
PIP := $(BIN)/python -m pip --disable-pip-version-check

# Without --no-config and --no-emit-*, the indexes and folders of the machine at hand would end up in the locks.
# Universal: one lock for every platform and every Python we support.
COMPILE := $(BIN)/uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate $(ARGS)

##@ Run
.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nARGS="…" is passed on by demo, test, chaos, soak, bench and lock; PYTHON=python3.12 picks the interpreter for setup.\n'

.PHONY: demo
demo: setup ## Start a headend and its agents, ready for a dispatch
	@$(BIN)/der demo $(ARGS)

##@ Develop
.PHONY: setup
setup: $(STAMP) ## Make .venv with everything pinned and the three commands in it

.PHONY: test
test: setup ## Run the tests (ARGS="-k split" for some of them)
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: chaos
chaos: setup ## Break a real system at random and see whether it keeps its promises (ARGS=--help)
	@PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

.PHONY: soak
soak: setup ## Leave the demo alone for 300 s: no reconnect, no warning, no growth (ARGS="--duration-s 3600")
	@PYTHONPATH=.:tests $(BIN)/python -m soak $(ARGS)

.PHONY: check
check: setup ## Format, lint, types, import contracts, generated code: everything but the tests
	@echo "==> ruff format"
	@$(BIN)/ruff format --check .
	@echo "==> ruff check"
	@$(BIN)/ruff check .
	@echo "==> mypy"
	@$(BIN)/mypy
	@$(BIN)/mypy tools
	@echo "==> import contracts"
	@$(BIN)/lint-imports --no-logo
	@echo "==> generated code"
	@$(BIN)/python tools/gen_proto.py --check

.PHONY: fmt
fmt: setup ## Format, and mend what ruff can mend safely
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

.PHONY: proto
proto: setup ## Regenerate der_wire/_gen from der_wire/agent_link.proto
	@$(BIN)/python tools/gen_proto.py

.PHONY: docs
docs: setup ## Refill the generated blocks of docs/ (import contracts, lifecycle, settings)
	@$(BIN)/python tools/gen_docs.py

.PHONY: bench
bench: setup $(BENCH_STAMP) ## Measure, each figure beside its limit in the same run (ARGS=--help)
	@PYTHONPATH=.:tests $(BIN)/python -m bench $(ARGS)

.PHONY: lock
lock: | $(BIN)/uv ## Recompile the locks; pins stay unless ARGS=--upgrade
	@echo "==> requirements-dev.txt"
	@$(COMPILE) --extra dev --no-emit-package der-fleet pyproject.toml --output-file requirements-dev.txt
	@echo "==> requirements.txt"
	@$(COMPILE) --constraint requirements-dev.txt --extra headend --extra console --extra edge --extra cli pyproject.toml \
		--output-file requirements.txt
	@echo "==> requirements-bench.txt"
	@$(COMPILE) --constraint requirements-dev.txt --extra bench pyproject.toml --output-file requirements-bench.txt
	@echo "==> requirements-edge.txt"
	@$(COMPILE) --constraint requirements-dev.txt --extra edge pyproject.toml --output-file requirements-edge.txt
	@! grep -nE '://|^-|^/|@ ' requirements.txt requirements-edge.txt requirements-bench.txt requirements-dev.txt \
		|| { echo "Error: the lines above tie the locks to this machine." >&2; exit 1; }

.PHONY: clean
clean: ## Remove .venv, caches and builds
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/uv:
	@$(MAKE) --no-print-directory setup

$(STAMP): requirements-dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
		echo "Error: no $(PYTHON) found. Install Python 3.11 or newer, or name one: make setup PYTHON=/path/to/python" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Error: $(PYTHON) is $$($(PYTHON) --version 2>&1); Python 3.11 or newer is needed." >&2; \
		echo "Install one and name it, for example: make setup PYTHON=python3.12" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Error: $(PYTHON) cannot make virtual environments: its modules venv and ensurepip are missing." >&2; \
		echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; \
		exit 1; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || { \
		echo "==> Making $(VENV) ($$($(PYTHON) --version 2>&1))"; \
		$(PYTHON) -m venv --clear $(VENV); }
	@echo "==> Installing the pinned dependencies (about a minute the first time)"
	@# -qq: only errors. One -q still warns once per package wherever an index of pip's configuration lacks it.
	@$(PIP) install -qq --require-hashes -r requirements-dev.txt
	@echo "==> Installing der, der_headend and edge_agent"
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@
	@echo "==> Ready: $(BIN)/der, $(BIN)/der_headend, $(BIN)/edge_agent"

$(BENCH_STAMP): $(STAMP) requirements-bench.txt
	@echo "==> Installing what draws the plots"
	@$(PIP) install -qq --require-hashes -r requirements-bench.txt
	@touch $@
