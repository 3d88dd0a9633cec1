# make run    environment, packages, index, web chat      make test   environment, packages, all checks
# make venv   the environment alone (.venv/)              make check  the checks alone
# make screenshots   the pictures of the README, anew

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: run test venv check format lock screenshots clean

run: $(VENV)/.installed
	$(BIN)/bot index
	$(BIN)/python app.py

test: venv check

venv: $(VENV)/.installed-dev

check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist loadfile

format:
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Plainquote needs Python 3.11 or later."; echo "to fix: make PYTHON=python3.12 run"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(PIP) install --quiet -r requirements-dev.lock
	touch $@

# Pins everything anew. The local label of a CPU build is dropped, so that the pins hold on every machine.
lock:
	$(PYTHON) -m venv .make/lock
	.make/lock/bin/python -m pip install --quiet pip-tools
	.make/lock/bin/pip-compile --quiet --strip-extras --allow-unsafe --no-header --no-emit-index-url --no-emit-find-links \
	  --output-file=requirements.lock pyproject.toml
	.make/lock/bin/pip-compile --quiet --strip-extras --allow-unsafe --no-header --no-emit-index-url --no-emit-find-links \
	  --extra=dev --constraint=requirements.lock --output-file=requirements-dev.lock pyproject.toml
	sed -i.bak 's/+cpu//' requirements.lock requirements-dev.lock
	rm -f requirements.lock.bak requirements-dev.lock.bak

screenshots: venv
	SCREENSHOTS=.make/screenshots $(BIN)/pytest tests/test_browser.py -k axe
	cp .make/screenshots/desktop-source.png docs/screenshots/answer-with-source.png
	cp .make/screenshots/phone-answered.png docs/screenshots/phone.png
	cp .make/screenshots/phone-emergency.png docs/screenshots/emergency.png

clean:
	rm -rf $(VENV) .make index build dist *.egg-info
