# Everything that a person or a pipeline does with this tree. It needs Python >= 3.11, make and a package registry; no git, no
# root. Recipes use paths relative to this folder only, so the folder's own path may hold spaces.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
IMAGE := build/missioncontrol.binpb
PROTOS := $(wildcard protos/missioncontrol/v1/*.proto)
# Set PYTHON to choose the interpreter of the virtual environment; otherwise the first of these that is new enough.
PYTHON ?=
PYTHONS := python3 python3.11 python3.12 python3.13 python3.14 python
# Tests with real processes wait now and then for what takes its time: one worker more than there are cores. Too many
# would only make them wait for each other.
TEST_WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
TEST_WORKERS_MAX ?= 8
# Extra arguments for pytest, such as `make test TESTS=tests/domain`.
TESTS ?=
TEST_FLAGS ?=
# How many seeds `make simulate` runs.
SEEDS ?= 10000
# How long each load of `make proxies` goes on.
PROXIES_SECONDS ?= 20
# The seed of `make faults`; without one it goes somewhere new and prints where.
SEED ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1

.PHONY: help setup proto image baseline test test-fleets check demo demo-polyglot clients up up-ha bench bench-large routing-study routing-study-full faults simulate proxies mutants container-test k8s-test lock clean relocate

help: ## Lists these targets.
	@echo 'Mission Control: make <target>'
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  \1 \2/p' Makefile | awk '{name = $$1; $$1 = ""; printf "  %-20s%s\n", name, $$0}'

setup: relocate $(STAMP) ## Makes the virtual environment in .venv and installs the SDK, the server and the tools into it.

# A tree that was moved or copied brings a virtual environment that still points at the old place.
relocate:
	@if [ -e $(STAMP) ] && [ "$$(cat $(STAMP))" != "$$(pwd)" ]; then \
		echo 'setup: this tree was moved or copied; the virtual environment is made anew'; rm -rf $(VENV); fi

$(STAMP): pyproject.toml clients/python/pyproject.toml | relocate
	@python=''; \
	for candidate in $(or $(PYTHON),$(PYTHONS)); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "setup: Python 3.11 or newer is needed; tried: $(or $(PYTHON),$(PYTHONS)) (python3 is $$(python3 --version 2>&1))." >&2; \
		echo 'setup: install one, or name it: make setup PYTHON=/path/to/python3.12' >&2; exit 1; \
	fi; \
	if [ ! -x $(BIN)/python ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		rm -rf $(VENV); \
		"$$python" -m venv $(VENV) || { \
			echo "setup: $$python cannot make virtual environments (Debian and Ubuntu: install python3-venv)" >&2; exit 1; }; \
	fi
	@echo 'setup: installing into $(VENV); the first time takes about a minute'
	@$(BIN)/python -m pip install --quiet --editable ./clients/python --editable '.[dev]'
	@pwd > $(STAMP)

proto: setup ## Regenerates the code of all languages, and the descriptor image, from protos/.
	@$(BIN)/python protos/generate.py
	@for tool in go npm mvn cargo; do command -v $$tool >/dev/null || { \
		echo "proto: $$tool not found: the code of the other languages is NOT regenerated" >&2; exit 0; }; done; \
	for language in go typescript java rust; do $(MAKE) -C clients/$$language plugins || exit 1; done; \
	$(BIN)/buf generate

image: setup $(IMAGE) ## Builds the descriptor image, build/missioncontrol.binpb, for clients in other languages.

$(IMAGE): $(PROTOS) protos/generate.py $(STAMP)
	@mkdir -p build
	@cd protos && ../$(BIN)/python -c 'import generate; generate.build_image(generate.IMAGE)'

baseline: image ## After a release: what it promised on the wire becomes what `make check` compares with.
	@cp $(IMAGE) protos/baseline.binpb

# What `make test` and `make test-fleets` leave to the targets of their own.
OTHER_TESTS := not slow and not toolchain and not container and not k8s and not proxies
PYTEST = $(BIN)/python -m pytest -n $(TEST_WORKERS) --maxprocesses $(TEST_WORKERS_MAX) --dist worksteal

test: setup ## Runs the tests that are quick, nineteen of twenty; five to six minutes on two cores.
	@$(PYTEST) -m '$(OTHER_TESTS) and not fleet' $(TEST_FLAGS) $(TESTS)

test-fleets: setup ## Runs the tests with whole fleets: end to end, short forms of the fault tests, the version before.
	@$(PYTEST) -m '$(OTHER_TESTS)' $(TEST_FLAGS) $(or $(TESTS),tests/e2e tests/faults tests/versions)

check: setup image ## Lints, type-checks, checks the layers, the contract and that generated code is fresh.
	@failed=''; \
	run() { name=$$1; shift; printf '== %s\n' "$$name"; "$$@" || failed="$${failed:+$$failed, }$$name"; }; \
	run 'ruff check' $(BIN)/python -m ruff check .; \
	run 'ruff format' $(BIN)/python -m ruff format --check .; \
	run 'mypy --strict' $(BIN)/python -m mypy; \
	run 'import-linter' $(BIN)/lint-imports; \
	run 'buf lint' $(BIN)/buf lint $(IMAGE); \
	run 'buf breaking' $(BIN)/buf breaking $(IMAGE) --against protos/baseline.binpb; \
	run 'generated code' $(BIN)/python protos/generate.py --check; \
	if [ -n "$$failed" ]; then echo "check: failed: $$failed" >&2; exit 1; fi; \
	echo 'check: all passed'

demo: setup ## Runs the main job: a fleet of real processes, real work, one agent killed, everything checked from the outside.
	@$(BIN)/python -m demo

demo-polyglot: setup ## The same with agents in Python, Go, TypeScript, Java and Rust side by side; two are killed and come back.
	@$(BIN)/python -m demo polyglot

clients: setup image ## Builds, lints and tests the clients in Go, TypeScript, Java and Rust, and has each one's agent survive a storm.
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadgroup -p no:cacheprovider $(TEST_FLAGS) tests/interop

up: setup ## Starts the same fleet on the default ports and keeps it running until Ctrl-C.
	@$(BIN)/missionctl up

up-ha: setup ## Starts PostgreSQL, two coordinators, two schedulers, two gateways and agents; what dies is back after 10 s.
	@$(BIN)/missionctl up --ha

bench: setup ## Measures throughput and latency (about 2 minutes) and writes benchmarks/latest.json.
	@$(BIN)/python -m benchmarks

bench-large: setup ## Measures what a backlog, or a past, of a million tasks costs (about 8 minutes); writes benchmarks/large.json.
	@$(BIN)/python -m benchmarks.large

routing-study: setup ## Simulates routing for minutes, compares it with queueing theory, writes docs/routing-study.md.
	@$(BIN)/python -m benchmarks.routing_study

routing-study-full: setup ## The same with high loads and a thousand agents (three quarters of an hour of one core).
	@$(BIN)/python -m benchmarks.routing_study --full

faults: setup ## Runs the long fault tests (about an hour), writes build/faults.json and the table in docs/reliability.md.
	@mkdir -p build; rm -f build/faults.jsonl
	@status=0; \
	FAULTS_SEED='$(SEED)' FAULTS_RECORD=build/faults.jsonl $(BIN)/python -m pytest -m slow --timeout 1800 -s $(TEST_FLAGS) $(TESTS) || status=$$?; \
	$(BIN)/python -m tests.faults.report build/faults.jsonl build/faults.json docs/reliability.md; \
	exit $$status

proxies: setup ## Runs agents and followers through Envoy, nginx and HAProxy (5 minutes; PROXIES_SECONDS=180: half an hour).
	@$(BIN)/python -m pip install --quiet --editable '.[proxies]'
	@PROXIES_SECONDS='$(PROXIES_SECONDS)' $(BIN)/python -m pytest -p no:cacheprovider -s --timeout 900 $(TEST_FLAGS) tests/proxies

k8s-test: setup ## Renders and validates k8s/, starts real processes as it says, and rehearses rolling updates (about 5 minutes).
	@$(PYTEST) --timeout 600 $(TEST_FLAGS) $(or $(TESTS),tests/k8s)

simulate: setup ## Simulates sessions, rules and scheduler with faults in virtual time: SEEDS=10000 runs (3 to 5 minutes).
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS)

mutants: setup ## Puts two dozen classic bugs into copies of the tree, one at a time; the tests must catch each (about 2 minutes).
	@$(BIN)/python -m tests.mutants

container-test: setup ## Builds the container image on Debian's packages and runs a fleet from it (buildah, mmdebstrap, root; 5 minutes).
	@$(BIN)/python -m pytest --timeout 1800 -s $(TEST_FLAGS) tests/image

LOCK := compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --custom-compile-command 'make lock'

lock: setup ## Locks what the container image installs to the newest versions that fit, in container/.
	@$(BIN)/uv pip $(LOCK) --no-emit-package missioncontrol --no-emit-package missioncontrol-server \
		container/requirements.in --output-file container/requirements.txt
	@$(BIN)/uv pip $(LOCK) container/requirements-build.in --output-file container/requirements-build.txt

clean: ## Removes what the other targets made: the environment, build/ and the caches. Keeps var/, the data of `make up`.
	@rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info clients/python/*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
