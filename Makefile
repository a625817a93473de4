# Everything a fresh machine needs: Python 3.11+ and make. Each target sets itself up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo up down wheel test test-long lint lock audit schema

help:  ## Show what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

install: $(INSTALLED)  ## Make the virtual environment from the hashed lock

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Regrow needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes --compile-bytecode -r requirements.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(INSTALLED)

demo: install  ## Replay a year of flights: train, serve, watch, retrain
	$(BIN)/regrow demo

up: install  ## Start the servers; Ctrl-C stops them
	$(BIN)/regrow up

down: install  ## Stop what `make up` started
	$(BIN)/regrow down

wheel: install  ## Build the wheel into dist/: it runs from any folder
	$(BIN)/python -m hatchling build -t wheel

# The type checker's collector runs seldom: a sixth faster.
lint: install  ## Check style, types and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	NODE_OPTIONS=--max-semi-space-size=128 $(BIN)/basedpyright
	$(BIN)/lint-imports

test: lint  ## Check everything, as CI does
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long"

test-long: install  ## Check at full size what `make test` shrinks; takes up to an hour
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --full-size -m "long or shrunk"

lock: install  ## Resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --group dev pyproject.toml -o requirements.lock

audit: install  ## List what is installed in dist/sbom.cdx.json (CycloneDX), and look for known holes in it
	mkdir -p dist
	$(BIN)/uv tool run --from cyclonedx-bom==7.5.0 cyclonedx-py requirements --pyproject pyproject.toml \
		--output-reproducible --output-format JSON --output-file dist/sbom.cdx.json requirements.lock
	@echo "dist/sbom.cdx.json is written from the lock; nothing was asked for it"
	$(BIN)/uv tool run pip-audit==2.10.1 --strict --require-hashes --disable-pip --progress-spinner off \
		--requirement requirements.lock \
		|| { echo "The scan asks the public index about each package. If it says above that a package was not found" \
		"there or could not be audited, it cannot reach that index: run it where it can. Otherwise it names the holes."; exit 1; }

schema: install  ## Write configs/schema.json and docs/reference.md from the types
	$(BIN)/regrow schema > configs/schema.json
	$(BIN)/regrow schema --reference > docs/reference.md
