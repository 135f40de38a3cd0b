# make app   opens the dashboard        make test   runs the tests
# Each makes .venv and installs what it needs the first time, and starts in seconds afterwards.

PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PORT ?= 8501

.PHONY: app test lint clean

app: $(VENV)/.app-installed
	$(BIN)/python -m streamlit run streamlit_app.py --server.port $(PORT)

test: $(VENV)/.test-installed
	$(BIN)/python -m pytest

lint: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.made:
	$(PYTHON) -c "import sys; sys.exit('StageLens needs Python 3.11 or newer.' if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.app-installed: requirements.txt pyproject.toml $(VENV)/.made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .
	touch $@

$(VENV)/.test-installed: requirements-dev.txt $(VENV)/.app-installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info

# The site of docs/, into site/; needs no network once it is installed.
.PHONY: docs
docs: $(VENV)/.test-installed
	$(BIN)/python -m docs.reference_pages
	$(BIN)/python -m zensical build --clean --strict
