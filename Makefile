# make app     opens the dashboard                       make test       runs the tests, but for the slow ones
# make shell   a shell with stagelens on the PATH        make test-all   runs all of them
# Each makes .venv and installs what it needs the first time, and starts in seconds afterwards. docs/install.md says more.
#
# PYTHON=…  the Python that .venv is made with      PORT=…  the dashboard's port; one that is taken is refused
# HOST=…    whom the dashboard answers: this machine alone, or with HOST=0.0.0.0 the network

VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

# Two processes of tests share two cores and 4 GB: each, and what it starts, computes on one core and gives back the memory
# that it has freed. The slowest tests are printed.
SHARING := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 \
	ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=0
TESTS := $(SHARING) $(BIN)/python -m pytest --durations=10

# Parts of the tests, two at a time, the long ones first, and no two beside each other that need much memory: a process
# keeps until it ends what it has loaded, and a network library alone takes half a gigabyte. What no other part names is
# tried in the rest.
PARTS := networks cohorts workflows training pages browser cli explain_page rest
workflows := tests/workflows core
networks := $(addprefix tests/,evaluation explain networks reporting)
training := tests/training
pages := tests/pages/test_pages.py
explain_page := tests/pages/test_explain_page.py
cohorts := tests/cohorts
cli := tests/cli
browser := tests/pages/test_in_browser.py tests/runs
rest := tests $(addprefix --ignore=,$(filter tests/%,$(foreach part,$(filter-out rest,$(PARTS)),$($(part)))))
# All tests, the slow ones too, four parts at a time, the long ones first, so that none runs alone at the end. What loads the
# same (whole data sets, networks) is one part, as each is a process that loads it anew.
ALL_PARTS := recipes start workflows cohorts docs benchmarks browser explain scans training pages rest
all_recipes := tests/training/test_every_recipe.py
all_training := tests/training --ignore=$(all_recipes)
all_start := tests/start
all_benchmarks := tests/test_benchmarks.py
all_docs := tests/test_docs.py tests/test_systems.py tests/test_examples.py
all_workflows := tests/workflows core
all_browser := tests/pages/test_in_browser.py tests/pages/test_training_in_browser.py
all_explain := tests/explain
all_cohorts := tests/cohorts tests/networks
all_scans := tests/scans
all_pages := tests/pages/test_pages.py tests/pages/test_explain_page.py
all_rest := tests $(addprefix --ignore=,$(filter tests/%,$(foreach part,$(filter-out rest,$(ALL_PARTS)),$(all_$(part)))))
whole_parts := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: app shell test test-slow test-all lint clean $(addprefix test-,$(PARTS)) $(addprefix all-,$(ALL_PARTS)) $(addprefix slow-,$(ALL_PARTS))

# Streamlit listens where .streamlit/config.toml says, on this machine alone, and without --server.port takes 8501 or the
# next port that is free. HOST counts only when it is typed behind make: tcsh and conda set one for themselves.
ifeq ($(origin HOST),command line)
address := --server.address $(HOST)
open_to := $(filter-out localhost 127.0.0.1 ::1,$(HOST))
endif
app: $(VENV)/.app-installed
ifneq ($(address),)
	@$(BIN)/python -m start.address "$(HOST)"
endif
ifneq ($(open_to),)
	@echo "WARNING: whoever reaches this machine can use the dashboard and see the scans in it; there is no sign-in."
endif
	$(BIN)/python -m streamlit run streamlit_app.py $(address) $(PORT:%=--server.port %)

# What the last command left as its status is no failure of make's when a person leaves the shell.
shell: $(VENV)/.app-installed
	@echo "stagelens is on the PATH; exit leaves."
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" PATH="$(CURDIR)/$(BIN):$$PATH" "$${SHELL:-sh}" || test -t 0

test: $(VENV)/.test-installed
	@$(MAKE) --jobs=2 --keep-going --no-print-directory $(whole_parts) $(addprefix test-,$(PARTS))

$(addprefix test-,$(PARTS)): test-%: $(VENV)/.test-installed
	$(TESTS) -m "not slow" $($*)

test-slow test-all: $(VENV)/.test-installed
	@$(MAKE) --jobs=4 --keep-going --no-print-directory $(whole_parts) $(addprefix $(@:test-%=%)-,$(ALL_PARTS))

$(addprefix slow-,$(ALL_PARTS)): slow-%: $(VENV)/.test-installed
	$(TESTS) -m slow $(all_$*)

$(addprefix all-,$(ALL_PARTS)): all-%: $(VENV)/.test-installed
	$(TESTS) $(all_$*)

lint: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Which Python: start/fits.py, run by each of these, tells; what does not run at all (as pyenv's names of releases that are
# not set) tells nothing. Those that get TensorFlow go first. In a name ":" stands for a space.
NAMES := python3.13 python3.12 python3.11 python3 python python3.14 py:-3.13 py:-3.12 py:-3.11 py
fitting = $(firstword $(foreach name,$(NAMES),$(if $(shell $(subst :, ,$(name)) -m start.fits $(1) 2>/dev/null),$(name))))
found = $(or $(call fitting,tensorflow),$(call fitting,))
uv = $(if $(shell uv --version 2>/dev/null),uv venv --quiet --python 3.12 --seed --allow-existing)
make_venv = $(or $(subst :, ,$(addsuffix :-m:venv,$(found))),$(uv),$(error $(NO_PYTHON)))
said = $(shell python3 -m start.fits 2>&1 || true)
NO_PYTHON = $(if $(findstring StageLens,$(said)),$(said),StageLens needs Python 3.11 to 3.14, and none was found.) \
Install one (python.org, or your system's packages), or uv, which brings one; or name yours: make app PYTHON=/path/to/python

$(VENV)/.made:
ifdef PYTHON
	@$(PYTHON) -m start.fits >/dev/null
	$(PYTHON) -m venv $(VENV)
else
	$(make_venv) $(VENV)
endif
	@touch $@

$(VENV)/.app-installed: requirements.txt pyproject.toml $(VENV)/.made
	@$(BIN)/python -m start.install "StageLens with {backends}: up to {megabytes} MB, some minutes, this once" -r requirements.txt -e .
	@touch $@

$(VENV)/.test-installed: requirements-dev.txt $(VENV)/.app-installed
	@$(BIN)/python -m start.install "what the tests need: 150 MB, a minute, this once" -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info

# The site of docs/, into site/; needs no network once it is installed.
.PHONY: docs
docs: $(VENV)/.test-installed
	$(BIN)/python -m docs.reference_pages
	$(BIN)/python -m zensical build --clean --strict
