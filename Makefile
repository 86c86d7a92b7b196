# `make test` is everything that CI checks, `make slow` the tests that take minutes each; both set up what they need.
# RECSYS_PYTHON takes an existing environment.
RECSYS_PYTHON ?= .venv/bin/python
PYTHON := $(RECSYS_PYTHON)
EXTRAS := dev
UNITS := $(wildcard tests/test_*.py) $(filter-out tests/end_to_end/ tests/__pycache__/,$(wildcard tests/*/))
SOURCES := setup.py .ci recsys_spark jobs tests docs conf/deploy $(wildcard benchmarks)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup test lint types imports unit slow models bench pages package chaos format clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## the environment with the developers' packages, Delta's jars and the drivers of databases
	@RECSYS_DRIVERS=postgresql,mariadb ./spark-submit.sh --setup $(EXTRAS)

test: setup lint types imports unit  ## everything that CI checks

lint: setup  ## ruff: rules and layout
	$(PYTHON) -m ruff check $(SOURCES)
	$(PYTHON) -m ruff format --check $(SOURCES)

types: setup  ## mypy --strict
	$(PYTHON) -m mypy

imports: setup  ## imports point downwards only
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

# At the same time: end-to-end tests, which mostly wait for Spark to start, and the others in two processes, a file of
# tests never in both. Whole nights first, so that no process has a long file left when the other has none.
# pytest's exit code 5 means that ARGS has chosen no test of one of the two.
unit: setup  ## the tests but the slow ones; `make unit ARGS="-k audit"` chooses
	@$(PYTHON) -m pytest tests/end_to_end -m "not slow" --durations=20 $(ARGS) > .cache/end_to_end.log 2>&1 & job=$$!; \
	$(PYTHON) -m pytest $(UNITS) -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder --durations=20 $(ARGS); others=$$?; \
	wait $$job; end_to_end=$$?; cat .cache/end_to_end.log; \
	case $$others,$$end_to_end in 0,0 | 0,5 | 5,0) exit 0 ;; *) exit 1 ;; esac

slow: setup  ## the tests that `make test` leaves out
	$(PYTHON) -m pytest tests -m slow --durations=20 $(ARGS)

models: setup  ## measure every preset on the data that is there, and write docs/models.md
	$(PYTHON) benchmarks/presets.py
	PYTHONPATH=. $(PYTHON) docs/make_models.py

# With the extra `bench`: peers and matplotlib. RECSYS_TEST_DATA names the folder of the public data sets.
bench: EXTRAS := dev,bench
bench: setup  ## time kernels and jobs beside their peers, and write docs/performance.md and docs/scale.md
	$(PYTHON) benchmarks/kernels.py --out docs/kernels.json
	$(PYTHON) benchmarks/sizes.py --out docs/sizes.json
	$(PYTHON) benchmarks/growth.py --out docs/growth.json
	$(PYTHON) benchmarks/roofline.py --out docs/roofline.json
	$(PYTHON) benchmarks/memory.py --out docs/memory.json
	$(PYTHON) benchmarks/job_sizes.py --out docs/job_sizes.json
	$(PYTHON) benchmarks/scoring_job.py --deep --out docs/scoring_job.json
	$(MAKE) pages

pages:  ## docs/performance.md with its pictures and docs/scale.md, from figures that are there
	$(PYTHON) docs/make_performance.py
	$(PYTHON) docs/make_scale.py

package: EXTRAS := package
package: setup  ## into dist/: the wheel, an environment for executors and the launcher; ARGS="--environment all"
	PYTHONPATH=. $(PYTHON) .ci/make_package.py $(ARGS)

chaos: setup  ## nights that are killed, starved and damaged; ARGS="--kills 4" for fewer
	$(PYTHON) -m tests.chaos --out docs/chaos.json $(ARGS)
	$(PYTHON) docs/make_chaos.py

format: setup  ## mend the layout, and what ruff can mend
	$(PYTHON) -m ruff check --fix $(SOURCES)
	$(PYTHON) -m ruff format $(SOURCES)

clean:  ## remove what was made here: environment, jars, caches; never an output
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find recsys_spark jobs tests -name __pycache__ -type d -exec rm -rf {} +
