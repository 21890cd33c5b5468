# `make run` and `make test` need only Python 3.11 or newer and make: the rest they install.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TORCH ?= torch==2.14.1 torchvision==0.29.1

# For benchmarks/lease.py on a bare machine: CIFAR-10 as JPEG, and what its Python 3.12 lacks.
IMAGES ?= ../shared/data/cifar10-jpeg.tar.gz
WHEELS := pydantic pydantic-core annotated-types typing-inspection typing-extensions \
	nvidia-ml-py
LEASE_MIB := 64

.PHONY: run test test-lowest check docs results lease

run: $(INSTALLED)  ## the main job: the laptop form of ablations/lrn.yaml
	$(BIN)/python -m alexbench run ablations/lrn.yaml --results runs

test: check  ## every check and test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m timing
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --benchmark-disable

# The tests of what depends on other packages: the command line, tables and figures, data, training.
LOWEST ?= .venv-lowest
LOWEST_TESTS ?= tests/cli tests/config tests/report tests/launch/test_call.py tests/data/test_glyphs.py tests/training

test-lowest:  ## the same at the exact lower bounds of pyproject.toml, in an environment of its own
	$(LOWEST)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(LOWEST)
	$(PYTHON) tests/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(LOWEST)/lowest.txt \
		--editable . 'pytest>=8.3' 'hypothesis>=6.100' 'jsonschema>=4.23' 'statsmodels>=0.14'
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -q --benchmark-disable -W default::DeprecationWarning $(LOWEST_TESTS)

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

lease: $(INSTALLED)  ## what travels to a borrowed GPU, in .lease/, and the commands to run there
	rm -rf .lease && mkdir .lease
	test ! -f $(IMAGES) || cp $(IMAGES) .lease/
	$(BIN)/python -m pip install --quiet --target .lease/wheels --no-compile --no-deps --python-version 3.12 \
		--platform manylinux2014_x86_64 $(WHEELS)
	@bytes=$$(($$(du -sb .lease | cut -f1) + $$(git ls-files -z | xargs -0 cat | wc -c))); \
	echo "$$((bytes >> 20)) MiB travel: the tree, and .lease"; test $$((bytes >> 20)) -lt $(LEASE_MIB)
	@echo "PYTHONPATH=\$$PWD:\$$PWD/.lease/wheels ALEXBENCH_COMMIT=$$(git rev-parse HEAD)" \
		"python3 benchmarks/lease.py \$$OUT    # and once more with --portion 2"

# torch and torchvision are a pair: installed together they import together.
$(INSTALLED): pyproject.toml
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --editable '.[dev,docs]'
	touch $(INSTALLED)
