# Everything here runs from a fresh clone: each target sets up what it needs. `make` alone lists the targets.

VENV := .venv
BIN := $(VENV)/bin
# The system's own first: distributions build theirs for speed, which one made from source seldom is.
PYTHONS := /usr/bin/python3 python3.11 python3.12 python3.13 python3.14 python3
LOCKS := requirements/runtime.txt requirements/dev.txt requirements/node.txt
PORTAL := hub/portal
PREFIX := build/runtime
T := tests
DATABASE := postgresql
BENCH :=
RUN := bench

# The environment's programs first: Node.js is among them where the machine has none.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Else every program that a test starts compiles the whole project anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test soak screenshots check lint types promises conformance bench curve docs format wheel runtime lock clean

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

install: $(VENV)/.installed ## only the environment .venv, HL7's tables and the portal's bundle
	@$(BIN)/python $(PORTAL)/build_hook.py

demo: install ## run the story and stay: two hubs, practices, a hospital, tokens, curl lines
	@exec $(BIN)/obhut demo

# Where pytest sees CI, it prints differences of any length, and hides the rest among them.
test: install ## every test, PostgreSQL and browser too, report in build/junit.xml; some: make test T=tests/consent
	@$(BIN)/python tests/browser/chromium.py
	@env -u CI $(BIN)/python -m pytest -n 5 --dist=loadfile --no-loadscope-reorder --junitxml=build/junit.xml $(T)

# 1,000 kills: 500 on each kind of database; OBHUT_SOAK_SEED chooses other moments.
soak: install ## long runs: 1,000 kills under load, 100,000 states of consent, state machine, outbox and search with many examples
	OBHUT_SOAK=1 OBHUT_SOAK_KILLS=$${OBHUT_SOAK_KILLS:-500} $(BIN)/python -m pytest -q --timeout=7200 --durations=5 \
	  tests/soak tests/consent/test_state_machine.py tests/connectors/test_outbox.py \
	  tests/consent/test_decide_properties.py tests/consent/test_decide_cedar.py tests/consent/test_fhir_export.py \
	  tests/connectors/gateway/test_search_truth.py

screenshots: install ## a picture of each page of the portal, in each language, scheme and size, into build/screenshots
	@$(BIN)/python -m tests.portal.screenshots

check: lint types promises ## lint, format, types, import contracts, promises of the documents

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy
	npm --prefix $(PORTAL) run --silent check

promises: install
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/test_promises.py

conformance: install ## suites of others, on data of others where present
	$(BIN)/python -m pytest tests/conformance

bench: install ## all figures, each beside its limit, into build/bench.json; elsewhere: make bench DATABASE=postgresql://…
	@mkdir -p build
	@$(BIN)/python tests/browser/chromium.py
	$(BIN)/obhut bench $(BENCH) --json --database $(DATABASE) > build/$(RUN).json.new
	@mv build/$(RUN).json.new build/$(RUN).json
	@cat build/$(RUN).json

curve: ## what a request costs with 10,000 to 1,000,000 rows or envelopes stored, into build/curve.json
	@$(MAKE) --no-print-directory bench RUN=curve \
	  BENCH="deposit feed gateway-write gateway-read gateway-search --curve --rows 1000000"

docs: install ## write docs/configuration.md, the map in docs/architecture.md and the tables in docs/performance.md
	$(BIN)/python docs/configuration.py
	$(BIN)/python docs/map.py
	$(BIN)/python docs/performance.py

format: install ## let ruff order and format the Python files
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

wheel: install ## dist/obhut-….whl, with the portal's bundle and HL7's tables in it
	@rm -rf dist
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

runtime: wheel ## what a server needs and no more, in PREFIX (build/runtime)
	@$(BIN)/python -m venv --clear $(PREFIX)
	@$(PREFIX)/bin/pip install --quiet --no-input --require-hashes -r requirements/runtime.txt
	@$(PREFIX)/bin/pip install --quiet --no-input --no-deps dist/*.whl

# Written anew from requirements/*.in and package.json; the files name no host.
lock: $(VENV)/.installed ## renew the lock files of Python and npm packages
	test -x build/lock/bin/pip-compile || { $(BIN)/python -m venv build/lock && build/lock/bin/pip install --quiet pip-tools; }
	cd requirements && for name in runtime dev node; do \
	  CUSTOM_COMPILE_COMMAND="make lock" ../build/lock/bin/pip-compile --quiet --upgrade --allow-unsafe --strip-extras \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	    --output-file=$$name.txt $$name.in || exit 1; \
	done
	for folder in $(PORTAL) tests/browser; do npm --prefix $$folder install --package-lock-only || exit 1; done

clean: ## remove what was built, but not .venv
	rm -rf build dist hub/static/portal fhir_profiles/tables $(PORTAL)/wearables $(PORTAL)/node_modules tests/browser/node_modules \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

# The newest Python is not taken first: the locks are made with 3.11.
$(VENV)/.installed: $(LOCKS) pyproject.toml
	@$(BIN)/python -c 'import pip' 2>/dev/null || { \
	  PATH="$${PATH#*:}"; \
	  for python in $(PYTHONS) none; do \
	    $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	  done; \
	  test $$python != none || { \
	    echo 'Obhut needs Python 3.11 or later that can make environments; on Debian and Ubuntu: apt install python3-venv'; \
	    exit 1; }; \
	  echo "making $(VENV) with $$($$python --version)"; \
	  $$python -m venv --clear $(VENV); }
	@echo 'installing the locked packages'
	@$(BIN)/python -m pip install --quiet --no-input --require-hashes -r requirements/runtime.txt -r requirements/dev.txt
	@$(BIN)/python $(PORTAL)/build_hook.py --has-node || { \
	  echo 'installing Node.js into $(VENV)'; \
	  $(BIN)/python -m pip install --quiet --no-input --require-hashes -r requirements/node.txt; }
	@$(BIN)/python -m pip install --quiet --no-input --no-deps --no-build-isolation --editable .
	@touch $@
