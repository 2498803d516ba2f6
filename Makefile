# Everything a fresh clone needs: `make quickstart`, `make test`. Python, git and make are enough.

VENV ?= .venv
PYTHON ?= python3

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
QUICKSTART := work_dirs/quickstart
MIXED := configs/quickstart/resnet_few.py
PLAIN := configs/quickstart/resnet_few_none.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help quickstart test test-slow lint format docs pictures mutants bench clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: $(VENV)/.mmmix-quickstart  ## Train on sixty labels without mixing and with it; draw curves and mixed batches
	$(BIN)/python tools/train.py $(PLAIN) --work-dir $(QUICKSTART)/plain
	$(BIN)/python tools/train.py $(MIXED) --work-dir $(QUICKSTART)/mixed
	$(BIN)/python tools/browse_mix.py $(MIXED) --checkpoint "$$(cat $(QUICKSTART)/mixed/last_checkpoint)" \
		--output $(QUICKSTART)/mixed_batch.png
	$(BIN)/python tools/plot_curves.py $(QUICKSTART)/plain $(QUICKSTART)/mixed --output $(QUICKSTART)/curves.png

test: $(VENV)/.mmmix-dev  ## Run the fast tests
	$(BIN)/python -m pytest -m 'not slow'

test-slow: $(VENV)/.mmmix-dev  ## Run the tests that take more than ten seconds
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.mmmix-dev  ## Check style, types, and that imports point downwards
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.mmmix-dev  ## Bring the code into style
	$(BIN)/python -m ruff check --fix
	$(BIN)/python -m ruff format

docs: $(VENV)/.mmmix-docs  ## Build the site of all pages, docs/_build/html/index.html; a warning is an error
	$(BIN)/python -m sphinx --builder html --conf-dir docs --doctree-dir docs/_build/doctrees \
		--fail-on-warning --keep-going --quiet . docs/_build/html
	@echo 'The first page is docs/_build/html/index.html.'

pictures: $(VENV)/.mmmix-docs  ## Draw the pictures of the README and of the site (minutes)
	$(BIN)/python tools/draw_pictures.py

mutants: $(VENV)/.mmmix-dev  ## Put small faults into the package, count those that the tests find (hours)
	$(BIN)/python tests/mutants.py

bench: $(VENV)/.mmmix-bench  ## Time every mixer beside its peers; renews the table in benchmarks/README.md
	$(BIN)/python tools/benchmark_mixers.py --output benchmarks/mixers.json --table benchmarks/README.md

clean:  ## Remove .venv, builds and caches; work_dirs stays
	rm -rf .venv build dist docs/_build mmmix.egg-info mmmix/.mim .pytest_cache .ruff_cache .mypy_cache
	find configs mmmix tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp per set of extras: a second run finds it and installs nothing, a change of setup.py installs again.
$(VENV)/.mmmix-quickstart: EXTRAS := onedl,quickstart
$(VENV)/.mmmix-dev: EXTRAS := onedl,quickstart,dev
$(VENV)/.mmmix-docs: EXTRAS := onedl,quickstart,docs
$(VENV)/.mmmix-bench: EXTRAS := onedl,bench
$(VENV)/.mmmix-%: setup.py mmmix/version.py
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo 'Installing mmmix[$(EXTRAS)] into $(VENV). The first time this fetches PyTorch: minutes and several GB.'
	@$(PIP) install --editable '.[$(EXTRAS)]'
	@touch $@
