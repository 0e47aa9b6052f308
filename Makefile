# Restock's commands. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help setup lock lint test fuzz bench kills demo up down status
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
STAMP := .venv/.restock-installed
LOCKS := requirements-setup.txt requirements.txt requirements-dev.txt
COMPILE := $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --no-header
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# The Python that .venv is made with; the first usable one of these unless you name another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c "$(USABLE)" >/dev/null 2>&1 && echo "$$python" && break; done)

help:  ## List these targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## Make .venv with everything that Restock needs, and nothing else on this machine.

# The stamp is written last, so that an interrupted installation is done again.
$(STAMP): $(LOCKS) pyproject.toml
	@rm -f $@
	@test -n "$(PYTHON)" && "$(PYTHON)" -c "$(USABLE)" 2>/dev/null || { \
		echo "No usable Python: '$(PYTHON)' is not Python 3.11, 3.12 or 3.13 with the module venv." >&2; \
		echo "Install one (Debian: apt-get install python3-venv), or name it: make setup PYTHON=/path/to/python3.12" >&2; \
		exit 1; }
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv
	@$(BIN)/python -m uv --version 2>/dev/null | grep -qF "$$(sed 's/uv==/uv /' requirements-setup.txt)" || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-setup.txt
	$(BIN)/python -m uv pip sync --python $(BIN)/python --compile-bytecode $(LOCKS)
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

lock: $(STAMP)  ## Resolve requirements*.in anew into the lock files.
	$(COMPILE) --upgrade requirements.in -o requirements.txt
	$(COMPILE) --upgrade requirements-dev.in -o requirements-dev.txt
	cp requirements.txt requirements-docker.txt
	$(COMPILE) requirements-docker.in -o requirements-docker.txt

lint: $(STAMP)  ## Check style, format, types and the direction of imports.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(STAMP)  ## Run all tests, two at a time; ARGS="-k name" runs some.
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

fuzz: $(STAMP)  ## Play 50,000 random histories against the reference model, send 20,000 requests to the door.
	$(BIN)/python -m pytest tests/histories --histories 50000 --timeout 0 $(ARGS)
	$(BIN)/python -m pytest tests/intake/test_fuzz.py --door-cases 600 --timeout 0 $(ARGS)
	$(BIN)/python -m pytest tests/unit tests/sql -m hypothesis --hypothesis-profile searching $(ARGS)

bench: $(STAMP)  ## Measure speed against floors into docs/performance.md; ARGS="dispatch render" runs some.
	$(BIN)/python -m benchmarks $(ARGS)

kills: $(STAMP)  ## Kill parts at random while messages leave, and count at the mail sink; ARGS="task --kills 5".
	$(BIN)/python -m tests.e2e.kills $(ARGS)

demo: $(STAMP)  ## Show the main job from feed to mailbox, then stop everything again.
	@$(BIN)/restock demo run $(ARGS)

up: $(STAMP)  ## Start Postgres, Airflow, a mail sink and a demo shop on 127.0.0.1; Ctrl-C stops them.
	@$(BIN)/restock stack up $(ARGS)

down: $(STAMP)  ## Stop every process that `make up` started, and no other.
	@$(BIN)/restock stack down

status: $(STAMP)  ## Say what runs and at which addresses.
	@$(BIN)/restock stack status
