# Everything a stranger needs: `make serve`, `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := torch==2.13.0+cpu
HAS_GPU := $(shell nvidia-smi -L >/dev/null 2>&1 && echo yes)

.PHONY: help serve test setup lint lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

serve: setup ## set up, then serve the demo model on http://127.0.0.1:8000 (ARGS="--port 9000")
	@exec $(BIN)/thinkgate serve $(ARGS)

test: lint ## set up, then lint, types and all tests, the real engine's included
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test-ready ## style, types and import rules only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(VENV)/.ready ## install into .venv: the CUDA extra where there is a GPU, else the CPU lock

lock: ## renew requirements/*.lock from the registries
	$(PYTHON) requirements/lock.py

clean: ## remove .venv and every cache
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.ready: pyproject.toml requirements/cpu.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
ifeq ($(HAS_GPU),yes)
	$(PIP) install -e '.[cuda,client]'
else
	# torch first and alone: vLLM's own requirement would bring gigabytes of CUDA libraries.
	$(PIP) install -q $(TORCH) || $(PIP) install -q --index-url https://download.pytorch.org/whl/cpu $(TORCH)
	$(PIP) install -q --no-deps -r requirements/cpu.lock
	$(PIP) install -q --no-deps -e .
endif
	@touch $@

$(VENV)/.test-ready: $(VENV)/.ready requirements/test.lock
	$(PIP) install -q --no-deps -r requirements/test.lock
	@touch $@
