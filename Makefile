# `make demo` and `make test` set up .venv by themselves; PYTHON picks the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TESTS := $(VENV)/.installed-for-tests
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
test bench fuzz faults: export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo test fuzz faults lint bench docs docs-serve clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

# What tests need besides: servers, browsers, other libraries to compare with.
$(TESTS): $(STAMP)
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/vqzoo train vqvae2_noisy $(ARGS)

test: $(TESTS)
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

fuzz: $(TESTS)
	$(BIN)/python -m pytest -m fuzz $(ARGS)

# Under an hour on two cores; writes docs/results/faults.
faults: $(TESTS)
	$(BIN)/python -m tests.faults $(ARGS)

lint: $(TESTS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(VENV)/.benchmarks: $(TESTS)
	$(PIP) install --constraint constraints.txt --editable '.[benchmarks]'
	touch $@

bench: $(VENV)/.benchmarks
	$(BIN)/python -m benchmarks.import_time
	$(BIN)/python -m benchmarks.quantizer_step
	$(BIN)/python -m benchmarks.lookup_memory
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.serving
	$(BIN)/vqzoo results --write

$(VENV)/.docs: $(STAMP)
	$(PIP) install --constraint constraints.txt --editable '.[docs]'
	touch $@

# The site, in build/site; `docs-serve` shows it at http://127.0.0.1:8000/.
docs docs-serve: export NO_MKDOCS_2_WARNING = 1
docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

docs-serve: $(VENV)/.docs
	$(BIN)/mkdocs serve

clean:
	rm -rf $(VENV) build dist *.egg-info
