# make run, make test, make ci, make lab, make docs, make pictures, make bench, make soak, make lint, make clean; each
# installs what it needs into .venv, once. Of the tests,
#   make test   is for each change: 13 minutes at the most on two quiet cores
#   make ci     runs the slow rest, and then, as another processor would, what tests/processors.py names
#   make soak   injects faults at length, for hours
# and .ci/run does make lint, make test and make ci, in an hour at the most.
#
#   PYTHON=python3.12   the Python that .venv is made with (by default the first of 3.11 or newer on the path)
#   TORCH=cpu           take torch's CPU build from PyTorch's own index (when .venv is made)
#   PORT=9000           the first port that `make run` tries
#   ARGS="..."          more options for pytest (make test, make ci; -n 0 for one process) or JupyterLab (make lab)
#   CHROMIUM=...        the browser for the tests;  SKIP_BROWSER=1  leaves the browser tests out

VENV := .venv
STAMPS := $(VENV)/.stamps
ifeq ($(OS),Windows_NT)
PY := $(VENV)/Scripts/python.exe
else
PY := $(VENV)/bin/python
endif

TORCH_INDEX_cpu := --extra-index-url https://download.pytorch.org/whl/cpu
TORCH_INDEX := $(TORCH_INDEX_$(TORCH))
ifneq ($(TORCH),)
ifeq ($(TORCH_INDEX),)
$(error TORCH=$(TORCH) is not known: give TORCH=cpu, or leave it out for the configured index's own build)
endif
endif

# Builds use the pinned setuptools instead of fetching their own.
INSTALL := $(PY) -m pip install --disable-pip-version-check --constraint constraints.txt
INSTALL_PACKAGE := $(INSTALL) --no-build-isolation --editable
SETTINGS := set -a; . ./latentfx_nb/process.env; set +a

# An environment whose folder was moved, or whose Python is gone, is set up again.
ifneq ($(shell test -x $(PY) && cat $(STAMPS)/place 2>/dev/null),$(CURDIR))
$(shell rm -rf $(STAMPS))
endif

.PHONY: help run test ci chromium lab docs pictures bench soak lint clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

run: $(STAMPS)/run
	@$(SETTINGS); $(PY) -m latentfx_nb warm
	@$(PY) -m latentfx_nb serve --open-browser $(if $(PORT),--port $(PORT))

# Two processes with a thread each take two thirds of the time that one with two takes. The tests in browsers, the
# longest, come first. A process that a hanging test has ended is not started again: it would begin with that test.
PYTEST_OPTIONS := -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
TEST_SETTINGS := set -e; $(SETTINGS); export OMP_NUM_THREADS=1
ifeq ($(SKIP_BROWSER),)
TEST_SETTINGS += LATENTFX_REQUIRE_BROWSER=1; CHROMIUM="$$(bash tools/find_chromium.sh)"; export CHROMIUM
endif

# Chromium is looked for first: a machine that can have none should say so before anything is installed.
test: chromium $(STAMPS)/test
	@$(SETTINGS); $(PY) -m latentfx_nb warm
	@$(TEST_SETTINGS); $(PY) -m pytest $(PYTEST_OPTIONS) -m "not ci$(if $(SKIP_BROWSER), and not browser)" $(ARGS)

# What takes long and need not be tried on each change; then the part of the suite that tests/processors.py names, with
# fewer of the processor's instructions.
ci: chromium $(STAMPS)/test
	@$(SETTINGS); $(PY) -m latentfx_nb warm
	@$(TEST_SETTINGS); $(PY) -m pytest $(PYTEST_OPTIONS) -m "ci$(if $(SKIP_BROWSER), and not browser)" $(ARGS)
	@$(TEST_SETTINGS); $(PY) -m tests.processors $(PYTEST_OPTIONS) $(if $(SKIP_BROWSER),-m "not browser") $(ARGS)

chromium:
	@if [ -z "$(SKIP_BROWSER)" ]; then bash tools/find_chromium.sh >/dev/null; fi

lab: $(STAMPS)/lab
	@$(SETTINGS); $(PY) -m jupyterlab --notebook-dir=notebooks $(ARGS)

# The executed notebooks, the guides and the API reference as a site without a server, into build/docs. What the guides
# say of encoders, pages and imports is written anew first.
docs: $(STAMPS)/docs
	@$(SETTINGS); $(PY) -m latentfx_nb warm
	@$(SETTINGS); $(PY) -m tools.make_tables
	@$(SETTINGS); $(PY) -m tools.draw_architecture
	@$(SETTINGS); $(PY) -m tools.make_docs $(ARGS)

# A picture of every page, and the one that moves, into docs/, in headless Chromium.
pictures: chromium $(STAMPS)/test
	@$(SETTINGS); $(PY) -m latentfx_nb warm
	@$(SETTINGS); CHROMIUM="$$(bash tools/find_chromium.sh)" $(PY) -m tools.take_pictures $(ARGS)

# All benchmarks, or those that ARGS names, into benchmarks/RESULTS.md: an hour on two cores.
bench: $(STAMPS)/test
	@$(SETTINGS); $(PY) -m benchmarks $(ARGS)

# The tests that inject faults, at length, into docs/reliability.md.
soak: chromium $(STAMPS)/test
	@$(SETTINGS); $(PY) -m latentfx_nb warm
	@$(SETTINGS); LATENTFX_SOAK=1 LATENTFX_REQUIRE_BROWSER=1 CHROMIUM="$$(bash tools/find_chromium.sh)" \
		$(PY) -m pytest -m soak -o faulthandler_timeout=14400 $(ARGS)

lint: $(STAMPS)/test $(STAMPS)/node
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m tools.node node node_modules/eslint/bin/eslint.js .

# What was fetched or computed stays in the user's cache folder: it belongs to no checkout.
clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -prune -exec rm -rf {} +

$(STAMPS)/venv:
	@PYTHON="$(PYTHON)" bash tools/make_venv.sh $(VENV)
	@mkdir -p $(STAMPS)
	@printf '%s\n' "$(CURDIR)" > $(STAMPS)/place
	@touch $@

# torch comes first and alone, so that nothing else can draw in another build of it.
$(STAMPS)/torch: $(STAMPS)/venv constraints.txt
	$(INSTALL) $(TORCH_INDEX) torch setuptools
	@touch $@

$(STAMPS)/run: $(STAMPS)/torch constraints.txt pyproject.toml
	$(INSTALL_PACKAGE) '.[lyra]'
	@touch $@

$(STAMPS)/lab: $(STAMPS)/run
	$(INSTALL_PACKAGE) '.[lyra,lab]'
	@touch $@

$(STAMPS)/docs: $(STAMPS)/run
	$(INSTALL_PACKAGE) '.[lyra,docs]'
	@touch $@

$(STAMPS)/test: $(STAMPS)/run
	$(INSTALL_PACKAGE) '.[lyra,transformers,diffusers,export,dask,datasets,docs,test]'
	@touch $@

# eslint, from the registry that npm is set to; node is the one on the path, or comes with the test extra.
$(STAMPS)/node: $(STAMPS)/test package-lock.json
	$(PY) -m tools.node npm ci --no-audit --no-fund
	@touch $@
