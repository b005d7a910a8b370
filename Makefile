# Two targets matter to a newcomer: `make demo` and `make test`. Each does its own set-up.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
PIP := $(VENV)/bin/python -m pip --quiet --disable-pip-version-check --no-input
NO_PIP = { echo "The requirements could not be installed. pip's own words stand above; the usual causes:"; \
	echo "  no network or no package index: set PIP_INDEX_URL or HTTPS_PROXY as your site wants, and try again;"; \
	echo "  a Python without wheels for it: name another with  make PYTHON=python3.12  after  make clean."; \
	echo "What arrived is kept in pip's cache."; exit 1; }
NO_VENV = { echo "No virtual environment could be made: $(PYTHON) lacks the module venv or ensurepip."; \
	echo "On Debian and Ubuntu: apt install python3-venv. Or name another with  make PYTHON=python3.12"; exit 1; }
OLD_PYTHON = { echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
	echo "Name another with  make PYTHON=python3.12"; exit 1; }

# Where a machine forbids Python to keep what it compiled, each of the hundreds of processes would compile the bus anew.
export PYTHONDONTWRITEBYTECODE :=

# Used by running from another folder with PYTHONPATH=.venv/compiled, or by installing the wheel that is built so.
.PHONY: help demo test compiled check format lock clean
.DEFAULT_GOAL := help

help:  ## what can be made here
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 10

demo: $(READY)  ## run a small country for a day, check what every agency got, and end
	@$(VENV)/bin/bus demo

test: $(READY)  ## all tests, on a real Kafka and a real PostgreSQL; last: what was skipped, and why
	@$(VENV)/bin/python -m pytest -n 3 --dist loadfile

compiled: $(READY)  ## the hot path compiled by mypyc (needs a C compiler) into .venv/compiled, and the tests of it on that
	@rm -rf $(VENV)/source && mkdir $(VENV)/source && cp -R bus connectors schemas seeds *.toml *.md LICENSE $(VENV)/source
	@HATCH_BUILD_HOOK_ENABLE_MYPYC=1 $(PIP) install --no-deps --upgrade --target $(VENV)/compiled $(VENV)/source
	@cd $(VENV) && PYTHONPATH=compiled bin/python -c 'from bus.bench.measure import compiled; assert compiled()'
	@PYTHONPATH=$(VENV)/compiled $(VENV)/bin/pytest --import-mode=append -n 2 tests/unit/route tests/unit/consent tests/unit/kafka

check: $(READY)  ## format, lint, types, layers
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

format: $(READY)  ## put the code into its standard format
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

lock:  ## pin the newest versions that pyproject.toml allows (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --no-header \
	  --no-emit-index-url --no-emit-find-links --extra dev pyproject.toml -o requirements.txt

clean:  ## remove the virtual environment and the caches; .bus, the state of a bus, stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info

# Made anew only when the pinned requirements change: a second run asks no package index.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || $(OLD_PYTHON)
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) || $(NO_VENV)
	@echo "installing the pinned requirements into $(VENV): once; it then takes some 460 MB"
	@$(PIP) install --require-hashes -r requirements.txt || $(NO_PIP)
	@$(PIP) install --no-deps --no-build-isolation -e . || $(NO_PIP)
	@touch $@
