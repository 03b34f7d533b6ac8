# What a fresh machine needs: Python 3.11 or newer, git and make. Everything else is set up in .venv by the first target.

PYTHON ?= python3
BIN := .venv/bin
# Where it is set, every test that runs a program compiles all of orderfsm anew, and pytest the tests: twice the time.
unexport PYTHONDONTWRITEBYTECODE

# The modules whose tests must reach every branch of the core: tracing costs time, so the others are not traced.
CORE := acme_core acme_forms acme_trace conditions drawing errors instances_asked instances_core instances_forms instances_machine instances_trace lifecycle machine machine_async machine_library machine_models order other_core other_forms other_trace pairs properties showing spec streams trace trigger_sequences wire
CORE := $(CORE:%=tests/test_%.py)

ACME := tests/test_acme_real.py tests/test_acme_servers.py tests/test_acme_mutants.py tests/test_acme_kit.py
ACME += tests/test_acme_driver.py tests/test_acme_conform_cli.py

AGAINST ?= HEAD

.PHONY: help demo test lint format docs test-acme test-spark test-pythons test-sdks test-lowest test-dist test-first-steps check-full bench mutants findings clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

demo: .venv/main  ## the official SDK, guarded by the spec, against the mock: delete in every state
	$(BIN)/orderfsm demo

test: .venv/main  ## all tests but the long ones; what the machine lacks is skipped with a clear line
	$(BIN)/pytest -n logical --dist worksteal -m 'not long' -rs --cov --cov-report=term-missing:skip-covered $(CORE)
	$(BIN)/pytest -n logical --dist worksteal -m 'not long' -rs $(CORE:%=--ignore=%)

lint: .venv/lint  ## ruff, mypy --strict, pyright
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright

format: .venv/lint  ## let ruff format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: .venv/docs  ## a site without network, in .build/site; a broken link or a drifted picture fails it
	$(BIN)/python scripts/story.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

test-spark: .venv/spark  ## audits on a real Spark cluster of two processes, beside DuckDB and Polars; needs Java 17
	$(BIN)/pytest -q -rs --long tests/test_audit_spark.py

test-acme: .venv/acme  ## real ACME servers and the mutants of a right one, held against RFC 8555; prints who departs where
	rm -rf .build/acme-reports
	ORDERFSM_ACME_REPORTS=.build/acme-reports $(BIN)/pytest -q -n logical --dist loadgroup -rs --long $(ACME)
	$(BIN)/python -m tests.acme_servers.table .build/acme-reports

test-pythons: .venv/pip  ## the core's tests, from the built wheel, on every Python from 3.11 that the machine has
	scripts/test-pythons

test-sdks: .venv/pip  ## the client's tests, with each supported generation of the official SDK
	scripts/test-sdks

test-lowest: .venv/pip  ## tests of every room, with the lowest versions of everything that pyproject.toml allows
	scripts/test-lowest

test-dist: .venv/dist  ## sdist and wheel: built, checked, and tested with the sources deleted
	scripts/test-dist

test-first-steps: .venv/pip  ## examples/first_steps, each in a new virtual environment with the extras that it names alone
	scripts/test-first-steps

check-full: .venv/main  ## long checks: every test, thousands of hypothesis examples, every Python
	HYPOTHESIS_PROFILE=long $(BIN)/pytest -n logical --dist worksteal -rs --long
	scripts/test-pythons
	scripts/test-sdks

bench: .venv/bench  ## the measures, side by side with the peers and with the build AGAINST (a commit; default: the last)
	$(BIN)/python -m benchmarks.core
	$(BIN)/python -m benchmarks.client
	$(BIN)/python -m benchmarks.history
	$(BIN)/python -m benchmarks.audit
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.against $(AGAINST)

mutants: .venv/main  ## what the conformance kit catches: the table of docs/conformance.md
	cd tests && ../$(BIN)/python -m mutants

findings:  ## what libraries of this field do, against one's guess: installs pinned ones and runs them, without orderfsm
	scripts/findings

clean:  ## remove .venv and .build
	rm -rf .venv .build

.venv/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "orderfsm needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	touch $@

.venv/main: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group test --group mining
	touch $@

.venv/acme: .venv/main scripts/acme-servers tests/acme_servers/venvs.py
	scripts/acme-servers
	touch $@

.venv/spark: .venv/main pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[spark]'
	touch $@

.venv/lint: .venv/spark pyproject.toml
	$(BIN)/python -m pip install --quiet --group lint --group bench
	touch $@

.venv/dist: .venv/main pyproject.toml
	$(BIN)/python -m pip install --quiet --group dist
	touch $@

.venv/bench: .venv/main pyproject.toml
	$(BIN)/python -m pip install --quiet --group bench --group bench-audit
	touch $@

.venv/docs: .venv/main pyproject.toml
	$(BIN)/python -m pip install --quiet --group docs
	touch $@
