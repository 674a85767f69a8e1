# make demo   set up, then plan a hedge for the sample portfolio on bundled real data
# make test   set up, then run every check and test
# make docs | bench | lock | clean
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test docs bench lock sample clean

PYTHON ?= python3
PY := .venv/bin/python
# uv when it is there; otherwise pip puts it into the project's own environment.
UV := $(shell command -v uv 2>/dev/null || echo .venv/bin/uv)
STAMP := .venv/.stormsail

demo: $(STAMP)-run
	@$(PY) -m stormsail demo

test: $(STAMP)-dev
	@$(PY) scripts/check.py

docs: $(STAMP)-dev
	@$(PY) -m mkdocs build --strict

bench: $(STAMP)-run
	@bash benchmarks/run.sh

lock: $(STAMP)-dev
	$(UV) pip compile -q --universal --generate-hashes --no-header --all-extras pyproject.toml -o locks/dev.txt
	$(UV) pip compile -q --universal --generate-hashes --no-header pyproject.toml -c locks/dev.txt -o locks/run.txt

sample: $(STAMP)-dev
	$(PY) scripts/build_sample.py

$(PY):
	@if command -v uv >/dev/null 2>&1; then uv venv -q --allow-existing --python '>=3.11' .venv; \
	 else $(PYTHON) -c 'import sys; sys.exit("Stormsail needs Python 3.11 or newer: name one with make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)' \
	   && $(PYTHON) -m venv .venv && .venv/bin/python -m pip install -q --disable-pip-version-check uv; fi

# The stamps make a second run start at once; a changed lock file brings the environment up to date.
$(STAMP)-run: locks/run.txt pyproject.toml | $(PY)
	@echo "Setting up .venv (first time: about a minute)" >&2
	@$(UV) pip install -q --python $(PY) --require-hashes -r locks/run.txt
	@$(UV) pip install -q --python $(PY) --no-deps -e .
	@touch $@

$(STAMP)-dev: locks/dev.txt pyproject.toml | $(PY)
	@echo "Setting up .venv with the test tools (first time: about two minutes)" >&2
	@$(UV) pip install -q --python $(PY) --require-hashes -r locks/dev.txt
	@$(UV) pip install -q --python $(PY) --no-deps -e .
	@touch $@ $(STAMP)-run

clean:
	rm -rf .venv out site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
