# One command for each thing; every one builds the virtualenv it needs first.

.DEFAULT_GOAL := help
SHELL := /bin/sh
PORT ?= 8000
ARGS ?=
VENV := .venv
PYTHON := $(VENV)/bin/python
RUNTIME := $(VENV)/.runtime-installed
TOOLS := $(VENV)/.tools-installed

.PHONY: help demo demo-reset test soak check fix bench screenshots lock

help:
	@echo "make demo         a working clinic on http://localhost:$(PORT) (PORT=8000); Ctrl-C ends it"
	@echo "make demo-reset   stop the demo and remove its data"
	@echo "make test         the tests, on real PostgreSQL and a real broker (ARGS='-k week')"
	@echo "make soak         the long tests"
	@echo "make check        format, lint, types, import contract, migrations, deployment"
	@echo "make fix          format and repair what a tool can repair"
	@echo "make bench        the speed of a night over many clinics"
	@echo "make screenshots  pictures of the main pages (.local/screenshots, docs/images)"
	@echo "make lock         compile requirements*.in (needs uv)"

# --- virtualenv ------------------------------------------------------------------------------

# uv where there is one; else venv and pip; else the line to type.
define ensure_venv
	@if command -v uv >/dev/null 2>&1; then \
		test -x $(PYTHON) || uv venv --quiet --python '>=3.11' $(VENV); \
	elif ! command -v python3 >/dev/null 2>&1 \
		|| ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo 'Python 3.11 or newer is needed, or uv.'; exit 1; \
	elif ! test -x $(PYTHON) || ! $(PYTHON) -m pip --version >/dev/null 2>&1; then \
		python3 -m venv --clear $(VENV) >/dev/null 2>&1 || { \
			rm -rf $(VENV); \
			echo 'Python comes without venv here. On Debian and Ubuntu type:'; \
			echo '    sudo apt-get install python3-venv'; exit 1; }; \
	fi
endef

# The packages are pinned with their hashes; anything else is refused.
define install
	@if command -v uv >/dev/null 2>&1; then \
		uv pip install --quiet --python $(PYTHON) --require-hashes $(1); \
	else \
		$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes $(1); \
	fi
	@touch $@
endef

$(RUNTIME): requirements.txt
	$(ensure_venv)
	@echo "Installing the pinned packages into $(VENV) ..."
	$(call install,-r requirements.txt)

$(TOOLS): $(RUNTIME) requirements-dev.txt
	@echo "Installing the tools for tests and checks ..."
	$(call install,-r requirements.txt -r requirements-dev.txt)

# --- the product -----------------------------------------------------------------------------

demo: $(RUNTIME)
	@exec $(PYTHON) -m iop_clinic.supervisor run --port $(PORT)

demo-reset: $(RUNTIME)
	@exec $(PYTHON) -m iop_clinic.supervisor reset

# --- the work on it --------------------------------------------------------------------------

test: $(TOOLS)
	@exec $(PYTHON) -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal $(ARGS)

soak: $(TOOLS)
	@exec $(PYTHON) -m pytest -m soak $(ARGS)

bench: $(TOOLS)
	@exec $(PYTHON) -m tests.bench $(ARGS)

screenshots: $(TOOLS)
	@exec $(PYTHON) -m tests.browser.screenshots $(ARGS)

# Values like those of a server; no check connects anywhere.
PRODUCTION = IOP_MODE=production \
	SECRET_KEY=checked-only-5c1f0a7e3b9d4286e0d1a4c7b2f8635915ab70ce \
	DATABASE_URL=postgres://clinic@localhost/clinic REDIS_URL=redis://localhost:6379 \
	BASE_URL=https://clinic.example.com

check: export IOP_MODE = test
check: $(TOOLS)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	@# No database runs here: makemigrations compares the models with the files only.
	$(PYTHON) -W "ignore:Got an error checking a consistent" manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(PYTHON) manage.py check --deploy --fail-level WARNING
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(VENV)/bin/hadolint Dockerfile

fix: $(TOOLS)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

LOCK = uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes \
	--python-version 3.11 --custom-compile-command "make lock"

lock:
	$(LOCK) requirements.in --output-file requirements.txt
	$(LOCK) requirements-dev.in --output-file requirements-dev.txt
