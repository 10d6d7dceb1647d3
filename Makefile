# make lab        open the course        make test       all tests, notebooks included
# make test-browser  the course as a learner sees it, in Chromium
# make test-docker   labs, exercises and every notebook, in containers
# make versions REDIS_LAB_SERVERS=a:b  the tests on each of these servers, as a table
# make bench      speed, as ratios       make notebooks  run notebooks and store their outputs
# make docs       the table of notebooks in the README
# make soak N=20 NOTEBOOKS="20 33"  these notebooks so many times, as a table
# ARGS=… goes to the command, N=62 chooses a notebook.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
ARGS   ?=
N      ?=
IN_CONTAINERS = $(wildcard tests/test_docker_*.py) $(patsubst %,tests/test_%.py, \
  topologies faults partition clients leftovers coverage notebooks_run)

.PHONY: lab test test-browser test-docker versions soak image bench notebooks docs lint clean

lab: $(VENV)/.course
	@$(BIN)/redis-lab doctor --fix --quiet
	@$(BIN)/redis-lab lab $(ARGS)

test: $(VENV)/.test
	@$(BIN)/redis-lab doctor --fix --quiet
	$(BIN)/python -m pytest -n 2 -m "not browser and not docker" $(ARGS)

test-browser: $(VENV)/.test
	@.ci/chromium
	@$(BIN)/redis-lab doctor --fix --quiet
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

test-docker: $(VENV)/.test image
	REDIS_LAB_BACKEND=docker $(BIN)/python -m pytest -n 2 $(IN_CONTAINERS) $(ARGS)

versions: $(VENV)/.test
	$(BIN)/python tests/versions.py $(ARGS)

soak: $(VENV)/.test
	$(BIN)/python tests/soak.py $(or $(N),20) $(NOTEBOOKS)

image:
	@PYTHON=$(PYTHON) docker/image

bench: $(VENV)/.bench
	$(BIN)/python -m pytest tests/benchmarks/bench_*.py -p no:cacheprovider -qs $(ARGS)

notebooks: $(VENV)/.test
	$(BIN)/python -m redis_lab.course.execute $(N)

docs: $(VENV)/.course
	$(BIN)/python -m redis_lab.course.readme README.md

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.course $(VENV)/.test $(VENV)/.bench $(VENV)/.dev: $(VENV)/.%: pyproject.toml | $(VENV)/.python
	@echo "Installing what the $* needs into $(VENV): about a minute, the first time."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Redis Lab needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) build dist
