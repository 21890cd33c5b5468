# `make run` and `make test` need only Python 3.11 or newer and make: the rest they install.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TORCH ?= torch==2.14.1 torchvision==0.29.1

.PHONY: run test check docs results

run: $(INSTALLED)  ## the main job: the laptop form of ablations/lrn.yaml
	$(BIN)/python -m alexbench run ablations/lrn.yaml --results runs

test: check  ## every check and test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m timing
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --benchmark-disable

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m sphinx --quiet --fail-on-warning docs docs/_build

docs: $(INSTALLED)  ## the generated parts of README and docs/ again, and the pages in docs/_build
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx --quiet --fail-on-warning docs docs/_build

results: $(INSTALLED)  ## tables and figures of results/ again, from the committed records
	$(BIN)/python -m alexbench report

# torch and torchvision are a pair: installed together they import together.
$(INSTALLED): pyproject.toml
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --editable '.[dev,docs]'
	touch $(INSTALLED)
