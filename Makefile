# `make` lists what there is. The environment (.venv) makes itself, and again when requirements/ changes.

PY := .venv/bin/python

# Also where .venv is there already, and it would not be looked at.
ifdef PYTHON
ifneq ($(shell $(PYTHON) -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null),True)
$(error PYTHON=$(PYTHON) is no Python 3.11 or newer that runs: give another, or leave it out)
endif
endif

.PHONY: help run test test-long drill swarm bench check format clean test-browser test-containers

help: ## this list
	@echo "make ...  (PYTHON=/path/to/python picks the Python for .venv, ARGS=... goes to what it runs)"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "%-19s%s\n", $$1, $$2 }'

run: .venv/dashboard.stamp .venv/bin/txn ## Redis, a posting service, the API and the workers on this machine, until Ctrl-C
	@exec $(PY) -m ops

test: .venv/test.stamp .venv/dashboard.stamp ## all tests but the long ones
	$(PY) -m pytest -m "not long and not browser and not containers" $(ARGS)

test-long: .venv/test.stamp .venv/dashboard.stamp ## the tests that take minutes
	$(PY) -m pytest -m long $(ARGS)

test-browser: .venv/browser.stamp ## the admin site in a real browser (needs Debian's chromium-driver)
	$(PY) -m pytest -m browser tests/browser $(ARGS)

test-containers: .venv/test.stamp .venv/dashboard.stamp ## docker-compose.yml on the container engine of this machine (DOCKER_HOST), if there is one
	$(PY) -m pytest -m containers tests/containers $(ARGS)

drill: .venv/test.stamp .venv/dashboard.stamp ## the real processes under load, struck by everything that can happen, then audited
	$(PY) -m ops.drill $(ARGS)

swarm: .venv/local.stamp .venv-swarm/swarm.stamp ## users on locust, 300 requests/s for 60 s, then a verdict; README: "Load it yourself"
	@$(PY) -m ops.swarm $(ARGS)

bench: .venv/local.stamp ## how fast all of it is on this machine, in 25 minutes; ARGS=--quick for a look, ARGS="whole idle" for a part
	@$(PY) -m bench $(ARGS)

check: .venv/test.stamp .venv/dashboard.stamp ## lint, format, types, and who may import whom
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	.venv/bin/lint-imports

format: .venv/test.stamp .venv/dashboard.stamp ## put the code into its format, and fix what can be fixed
	$(PY) -m ruff check --fix-only
	$(PY) -m ruff format

clean: ## remove .venv, .venv-swarm and the caches; the data of `make run` (.txn) stays
	rm -rf .venv .venv-swarm .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A link to a Python that has gone counts as missing: .venv is made anew then, and everything installed again.
$(PY):
	@for python in $(or $(PYTHON),python3.11 python3); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making .venv with $$($$python --version)"; \
	    $$python -m venv --clear .venv && exit 0; \
	    rm -rf .venv; exit 1; \
	  fi; \
	done; \
	echo "Python 3.11 or newer is needed: install it, or say where it is with make PYTHON=/path/to/python" >&2; exit 1

.venv/local.stamp: requirements/local.txt requirements/mock.txt requirements/base.txt $(PY)
.venv/dashboard.stamp: requirements/dashboard.txt .venv/local.stamp
	@$(PY) ops/install.py $< --no-deps
	@touch $@

.venv/browser.stamp: requirements/browser.txt .venv/test.stamp .venv/dashboard.stamp
.venv/test.stamp: requirements/test.txt requirements/local.txt requirements/mock.txt requirements/base.txt $(PY)

# Locust brings a pytest plugin and a web server of its own: an environment for itself.
.venv-swarm/swarm.stamp: requirements/swarm.txt $(PY)
	@echo "Installing $<"
	@$(PY) -m venv --clear .venv-swarm
	@.venv-swarm/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.venv/%.stamp:
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null
	@$(PY) ops/install.py $<
	@touch $@

.venv/bin/txn: ops/txn.sh $(PY)
	@cp $< $@
