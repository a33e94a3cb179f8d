# `make run` starts Potluck, `make test` tests it; both set up what they need. CONTRIBUTING.md has the rest.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: run setup setup-dev test test-postgres coverage check format texts commands bench soak fuzz mutants
.DELETE_ON_ERROR:

run: $(BIN)/.installed
	@exec $(BIN)/potluck run

setup: $(BIN)/.installed

setup-dev: $(BIN)/.installed-dev

test: $(BIN)/.installed-dev
	@$(BIN)/pytest -n 3 $(ARGS)

# All that uses a database, over PostgreSQL alone: the tests' own server, or that of TEST_POSTGRES_URL.
test-postgres: $(BIN)/.installed-dev
	@TEST_DATABASE=postgres $(BIN)/pytest -n 3 --timeout 600 --ignore tests/unit $(ARGS)

# The same with every line of bot/ traced, which takes half as long again; fails below 90 %.
coverage: $(BIN)/.installed-dev
	@$(BIN)/pytest -n 2 --cov --cov-report= $(ARGS)
	@$(BIN)/coverage report --fail-under=90 --format=total >/dev/null || { $(BIN)/coverage report; exit 1; }

check: $(BIN)/.installed-bench
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

format: $(BIN)/.installed-dev
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

# Brings every language's catalogue up to date with what stands in the code; what is new there waits for translation.
TEXTS := adapters/rendering/texts
texts: $(BIN)/.installed
	@$(BIN)/pybabel --quiet extract --mapping-file $(TEXTS)/gather.cfg --keywords say --keywords says:1,2 \
		--add-comments Translators: --sort-by-file --add-location file --width 120 --project potluck \
		--output-file $(TEXTS)/texts.pot bot/commands adapters
	@for po in $(TEXTS)/*.po; do $(BIN)/pybabel --quiet update --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date \
		--width 120 --input-file $(TEXTS)/texts.pot --locale $$(basename $$po .po) --output-file $$po; done
	@rm $(TEXTS)/texts.pot

# Writes docs/commands.md anew; a test compares it with the commands there are.
commands: $(BIN)/.installed
	@$(BIN)/python -m bot.commands.reference > docs/commands.md

soak: $(BIN)/.installed-dev
	@POTLUCK_SOAK=1 $(BIN)/pytest -p no:randomly --timeout 3600 -m soak -s $(ARGS)

# By coverage, for SECONDS; it needs atheris, which has no wheel for every Python and so is nobody's dependency.
SECONDS ?= 180
fuzz: $(BIN)/.installed-dev
	@$(BIN)/python -c 'import atheris' 2>/dev/null || { echo "make fuzz needs atheris: $(BIN)/pip install atheris"; exit 1; }
	@$(BIN)/python -m tests.fuzz.openrouter -max_total_time=$(SECONDS) $(ARGS)

# What no test would notice in the money rules, by changing them; docs/mutation.md has what may be left. About 20 minutes.
mutants: $(BIN)/.installed-dev
	@test -x $(BIN)/mutmut || { echo "make mutants needs mutmut: $(BIN)/pip install mutmut==3.8.1"; exit 1; }
	@$(BIN)/mutmut run $(ARGS) && $(BIN)/mutmut results

bench: $(BIN)/.installed-bench
	@for b in overhead decision discord scale; do $(BIN)/python -m benchmarks.$$b $(ARGS) || exit 1; done

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Potluck needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; \
		echo "$(PYTHON) cannot make a virtual environment: install its venv module (Debian, Ubuntu: apt install python3-venv)"; exit 1; }

$(BIN)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Setting up .venv (once; a minute or so)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . \
		|| { echo "pip could not install what pyproject.toml names: see above; it needs the Python package index"; exit 1; }
	@touch $@

$(BIN)/.installed-dev: $(BIN)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(BIN)/.installed-bench: $(BIN)/.installed-dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	@touch $@
