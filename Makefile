# Everything this file makes lives under .venv*, .cache/ and build/ of this folder.
#   make demo            the emulator, a real Airflow and the example DAGs
#   make test            the tests, on the pinned environment
#   AIRFLOW=3.2          choose another pinned environment (constraints/airflow-3.2.txt; there is 3.1 too)
#   S3=rgw               the demo's buckets live in Ceph's gateway instead of moto
#   RGW=skip             leave out the tests that need Ceph's gateway
#   CHROMIUM=skip        leave out the tests in a browser
#   WORKERS=0            test in one process; by itself in four, since the tests mostly wait
#   ARGS="-k purge -x"   more arguments for pytest, or for the demo
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

AIRFLOW ?= 3.3
S3 ?= moto
RGW ?=
CHROMIUM ?=
WORKERS ?= 4
ARGS ?=
MARKS ?= not distributed and not long
SEED ?=
PINS ?= dev airflow-3.1 airflow-3.2 distributed docs

ifeq ($(AIRFLOW),3.3)
VENV := .venv
EXTRA := dev
LOCK := constraints/dev.lock
TESTS :=
else ifeq ($(AIRFLOW),distributed)
VENV := .venv-distributed
EXTRA := distributed
LOCK := constraints/distributed.lock
else ifeq ($(AIRFLOW),docs)
VENV := .venv-docs
EXTRA := docs
LOCK := constraints/docs.lock
else
VENV := .venv-airflow-$(AIRFLOW)
EXTRA := test
LOCK := constraints/airflow-$(AIRFLOW).lock
# What does not touch Airflow, and a purge on a whole Airflow, is tested once, on the newest.
TESTS := -m "not rgw and not distributed" $(addprefix --ignore=tests/,wheel api chaos emulator transport export \
  $(addsuffix .py,$(addprefix fs/test_,abstract bucket_clients civo_s3fs civo_s3fs_names files key_encoding literal_names \
  literal_names_lists move paths s3_other_clients s3_responses) $(addprefix hooks/test_s3,_backends _client) \
  $(addprefix rotation/test_,failed_credential kill policy publish retire rotation \
  rotation_at_once state) $(addprefix operators/test_,purge purge_on_airflow transfer) $(addprefix triggers/test_,change_tracker polling_many)) rotation/strategies)
endif

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CACHE := $(CURDIR)/.cache
UV := $(or $(shell command -v uv),$(CACHE)/uv-env/bin/uv)
export PIP_CACHE_DIR ?= $(CACHE)/pip
export UV_CACHE_DIR ?= $(CACHE)/uv
export PRE_COMMIT_HOME ?= $(CACHE)/pre-commit
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Importing Airflow writes a configuration file: never into the home folder.
export AIRFLOW_HOME := $(CACHE)/airflow-$(AIRFLOW)
export HYPOTHESIS_STORAGE_DIRECTORY := $(CACHE)/hypothesis
# uv compiles nothing, and each of the many processes here would compile Airflow anew (3 s): the first one keeps it.
export PYTHONPYCACHEPREFIX := $(CACHE)/bytecode
unexport PYTHONDONTWRITEBYTECODE
export RGW CHROMIUM UV

# The first Python that the pinned Airflow runs on.
NEWEST_PYTHON := $(if $(filter 3.1,$(AIRFLOW)),13,14)
find_python = for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	  if $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $(NEWEST_PYTHON)))' 2>/dev/null; then echo $$p; exit; fi; done; \
	echo "No Python 3.11 to 3.$(NEWEST_PYTHON) on PATH: install one (with its venv module), then run make again." >&2; exit 1

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9.-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

.PHONY: setup
setup: $(STAMP) ## the environment in .venv (or .venv-airflow-3.1, …-3.2)

$(STAMP): pyproject.toml $(LOCK) | $(UV)
	@echo "Installing Airflow $(AIRFLOW) and the package into $(VENV)"
	@python=$$($(find_python)); \
	[ -x $(BIN)/python ] || $(UV) venv -q --seed --python "$$(command -v $$python)" $(VENV)
	@$(UV) pip install -q --python $(BIN)/python --require-hashes --no-deps -r $(LOCK)
	@$(UV) pip install -q --python $(BIN)/python --no-index --no-build-isolation -e '.[$(EXTRA)]'
	@touch $@

# uv installs in seconds what takes pip a minute and more.
$(CACHE)/uv-env/bin/uv:
	@python=$$($(find_python)); $$python -m venv $(CACHE)/uv-env && $(CACHE)/uv-env/bin/python -m pip install -qq uv

.PHONY: demo
demo: $(STAMP) $(if $(filter rgw,$(S3)),rgw) ## the example DAGs on a real Airflow, against the emulator
	@exec $(BIN)/python -m dev.demo --s3 $(S3) $(ARGS)

.PHONY: up
up: $(STAMP) $(if $(filter rgw,$(S3)),rgw) ## the same, left running until Ctrl-C
	@exec $(BIN)/python -m dev.demo --s3 $(S3) --up $(ARGS)

.PHONY: test
test: $(STAMP) $(if $(TESTS),,rclone $(if $(filter skip,$(RGW)),,rgw)) $(if $(filter skip,$(CHROMIUM)),,chromium) ## the tests, without what takes hours
	@exec $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(or $(TESTS),-m "$(MARKS)") $(ARGS)

.PHONY: test-all
test-all: ## all tests, in full where make test has a share; takes hours
	@ALL=1 CHAOS=all KILL=all $(MAKE) test MARKS="not distributed" ARGS="-o faulthandler_timeout=3600 $(ARGS)"

.PHONY: test-long
test-long: ## the whole Airflows that make test leaves out for its time
	@$(MAKE) test MARKS=long

.PHONY: test-fast
test-fast: $(STAMP) ## what needs no scheduler, no Ceph and little time
	@exec $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not airflow and not slow and not rgw and not distributed" $(ARGS)

.PHONY: test-airflow-3.1
test-airflow-3.1: ## the tests on Airflow 3.1, without Ceph and the wheel
	@$(MAKE) test AIRFLOW=3.1

.PHONY: test-airflow-3.2
test-airflow-3.2: ## the same on Airflow 3.2
	@$(MAKE) test AIRFLOW=3.2

.PHONY: test-distributed
test-distributed: ## Airflow on PostgreSQL, Redis and Celery, parts of which are killed; prints figures
	@$(MAKE) distributed AIRFLOW=distributed

.PHONY: distributed
distributed: $(STAMP)
	@$(BIN)/python -m tests.distributed.prepare
	@exec $(BIN)/python -m pytest -rP -o faulthandler_timeout=1800 tests/distributed $(ARGS)

.PHONY: test-matrix
test-matrix: $(UV) ## versions of Airflow, Python, dependencies; long; ARGS="--smoke --only newest" for a part
	@python=$$($(find_python)); PYTHONPATH= exec $$python -m dev.matrix --uv $(UV) $(ARGS)

.PHONY: wheel-check
wheel-check: $(STAMP) ## the built wheel in a clean environment (part of make test)
	@exec $(BIN)/python -m pytest tests/wheel $(ARGS)

.PHONY: dist
dist: $(STAMP) ## sdist and wheel in dist/, checked by twine
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist .
	@$(BIN)/python -m twine check --strict dist/*

.PHONY: kill
kill: $(STAMP) $(if $(filter skip,$(RGW)),,rgw) ## rotations killed at each request, on moto and Ceph; see also test-distributed ARGS="-k kills"
	@KILL=all exec $(BIN)/python -m pytest -rP -o faulthandler_timeout=3600 tests/rotation/test_kill.py $(ARGS)

.PHONY: chaos
chaos: $(STAMP) ## every call behind faults, with many seeds; prints figures; SEED=7 begins with that one
	@CHAOS=all SEED=$(SEED) exec $(BIN)/python -m pytest -o faulthandler_timeout=900 tests/chaos $(ARGS)

.PHONY: soak
soak: $(STAMP) ## ten minutes of everything, in which nothing may grow; ARGS="--seconds 3600 --seed 2"
	@AIRFLOW__LOGGING__LOGGING_LEVEL=CRITICAL exec $(BIN)/python -m tests.soak $(ARGS)

.PHONY: bench
bench: $(STAMP) ## what bulk work costs, beside other ways to do it; ARGS="--part deletes" for one table
	@exec $(BIN)/python -m benchmarks.bulk $(ARGS)

.PHONY: lint
lint: $(STAMP) ## ruff, mypy, import-linter
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --cache-dir .cache/import-linter

.PHONY: docs
docs: ## the documentation site in build/docs; warnings and broken links are errors
	@$(MAKE) site AIRFLOW=docs

.PHONY: docs-links
docs-links: ## the same, and whether the pages' external links still work; needs a network
	@$(MAKE) site AIRFLOW=docs ARGS="-b linkcheck" SITE=build/docs-links

SITE ?= build/docs
.PHONY: site
site: $(STAMP)
	@exec $(BIN)/python -m sphinx -q -E -W --keep-going -n -d build/docs-doctrees $(ARGS) docs $(SITE)
	@echo "$(SITE)/index.html"

.PHONY: screenshots
screenshots: $(STAMP) chromium ## the pictures of the documentation, taken anew from a demo
	@exec $(BIN)/python -m dev.screenshots

.PHONY: audit
audit: $(UV) ## known vulnerabilities of the pinned versions (pip-audit)
	@python=$$($(find_python)); [ -x $(CACHE)/audit/bin/pip-audit ] || \
	  { $(UV) venv -q --python "$$(command -v $$python)" $(CACHE)/audit && \
	    $(UV) pip install -q --python $(CACHE)/audit/bin/python pip-audit; }
	@exec $(CACHE)/audit/bin/python -m dev.audit $(ARGS)

.PHONY: format
format: $(STAMP) ## let ruff mend what it can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: rgw
rgw: $(STAMP) ## Ceph's packages, unpacked into .cache/rgw
	@$(BIN)/python -m tests.rgw.prepare

.PHONY: chromium
chromium: $(STAMP) ## Chromium and its driver, unpacked into .cache/chromium
	@$(BIN)/python -m tests.browser.prepare

.PHONY: rclone
rclone: $(STAMP) ## rclone, an S3 client of others, unpacked into .cache/rclone
	@$(BIN)/python -m tests.rclone.prepare

.PHONY: constraints
constraints: $(UV) ## resolve the pins anew, with hashes; PINS="airflow-3.2" for one file
	@python=$$($(find_python)); \
	pin() { \
	  $(UV) venv -q --clear --python "$$(command -v $$python)" "$(CACHE)/pins"; \
	  $(UV) pip install -q --python "$(CACHE)/pins/bin/python" -e ".[$$2]" "apache-airflow==$$3" "$${@:4}"; \
	  $(UV) pip freeze -q --python "$(CACHE)/pins/bin/python" --exclude-editable | grep -E '^[A-Za-z0-9._-]+==[^ ]+$$' >constraints/$$1.txt; \
	  $(UV) pip compile -q --universal --python-version 3.11.5 --generate-hashes --no-header --no-annotate --no-emit-index-url \
	    --no-emit-find-links --extra $$2 -c constraints/$$1.txt pyproject.toml -o constraints/$$1.lock; \
	  wc -l constraints/$$1.txt; \
	}; \
	for name in $(PINS); do case $$name in \
	  dev) pin dev dev 3.3.2;; \
	  airflow-3.1) pin airflow-3.1 test 3.1.8;; \
	  airflow-3.2) pin airflow-3.2 test 3.2.2 fastapi==0.136.3 cadwyn==7.0.0 svcs==26.1.0;; \
	  distributed) pin distributed distributed 3.3.2;; \
	  docs) pin docs docs 3.3.2 -c constraints/dev.txt;; \
	  *) echo "There are no pins of the name $$name." >&2; exit 2;; \
	esac; done; rm -rf "$(CACHE)/pins"

.PHONY: clean
clean: ## remove everything that this file made
	@rm -rf .venv .venv-* .cache build dist
