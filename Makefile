# make app    install into .venv and open the dashboard on the embedded demo survey
# make test   install the test tools and run every test
# make lint   ruff
# make docs   these pages as HTML: docs/_build/html/index.html

PYTHON ?= python3
BIN := .venv/bin
PORT ?= 5006
# The install compiles nothing: where Python may not keep what it compiles, each start takes
# ten seconds more.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: app test lint docs demo clean

app: .venv/.installed
	$(BIN)/galam serve --port $(PORT) --show

test: .venv/.installed-test
	./tools/install_browser.sh
	# Three at once keep two cores busy; the browser's tests, the longest, come first.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: .venv/.installed-test
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# The embedded demo survey, from nothing (see galam_explorer/survey/data/PROVENANCE.md).
demo: .venv/.installed
	$(BIN)/python tools/build_demo.py

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 app")'
	$(PYTHON) -m venv .venv

# Without --no-compile pip compiles every file of every package: half of the time it takes.
.venv/.installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

.venv/.installed-test: .venv/.installed
	$(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test,dev,notebook,docs]"
	touch $@

clean:
	rm -rf .venv .pytest_cache .ruff_cache
