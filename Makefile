# The same commands by hand and in CI. Needs Python 3.11 or later, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS :=
# What make bench-search measures; started again, it goes on.
SEARCHES := build/search
# What needs neither torch nor minutes: of the search, what is below whole studies.
QUICK := tests/analysis tests/config tests/docs/test_docs.py tests/test_house.py tests/test_locks.py \
	$(filter-out %/test_driver.py %/test_store.py %/test_lease.py %/test_retry_failed.py,$(wildcard tests/search/test_*.py))

.PHONY: demo install quick test check coverage format bench bench-search simulate torture clean

demo: $(VENV)/.installed  ## Run the study of the README to its end
	$(BIN)/pipeline run studies/mnist_5k_mlp.yaml

install: $(VENV)/.installed  ## Install the project into .venv

quick: $(VENV)/.installed-dev  ## Lint, types, import contracts and the fast tests: less than a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m pytest $(QUICK) -m "not slow" --numprocesses 2 --quiet $(ARGS)

test: $(VENV)/.installed-dev  ## Run the tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.installed-dev  ## Lint, types, import contracts, and the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

coverage: $(VENV)/.installed-dev  ## Run the tests with branch coverage, which takes twice as long
	$(MAKE) test ARGS=--cov

format: $(VENV)/.installed-dev  ## Put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-bench  ## Train the same settings by this project and by others, side by side
	$(BIN)/python -m benchmarks $(BENCH)

bench-search: $(VENV)/.installed-bench-search  ## Search beside what a user could pick instead, for hours; LCBENCH=FOLDER adds LCBench
	$(BIN)/python -m benchmarks.search.live --out $(SEARCHES) $(BENCH)
	$(BIN)/python -m benchmarks.search.yardstick --out $(SEARCHES)
	$(BIN)/python -m benchmarks.search.report --out $(SEARCHES)
	$(BIN)/python -m benchmarks.search.surrogate --out $(SEARCHES)/table.jsonl
	$(if $(LCBENCH),$(BIN)/python -m benchmarks.search.lcbench --part decide --lcbench $(LCBENCH) --out $(SEARCHES)/lcbench.jsonl)

simulate: $(VENV)/.installed  ## Run the driver with 1,000 simulated workers and 100,000 trials; SIMULATE="--trials 10000 --sampler tpe"
	$(BIN)/python -m benchmarks.simulate.suggestions
	$(BIN)/python -m benchmarks.simulate $(SIMULATE)

torture: $(VENV)/.installed-dev  ## Attack the promises for 40 minutes: kill -9, a server away, full disks, fuzz, 100 reproductions
	$(BIN)/python -m benchmarks.torture --kills 200
	$(BIN)/python -m benchmarks.reproduction --trials 100
	TORTURE=1 $(BIN)/python -m pytest $$(grep -lE "import .*(TORTURE|long_form)" $$(find tests -name 'test_*.py') | grep -v test_fuzz)
	TORTURE=1 $(BIN)/python -m pytest -m hypothesis --timeout 1800

clean:  ## Remove what make made
	rm -rf $(VENV) build *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

$(VENV)/.installed-bench-search: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench-search]'
	touch $@
