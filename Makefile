# `make` lists what there is. The environment (.venv) makes itself, and again when requirements/lock/ changes.

VENV := .venv
PY := $(VENV)/bin/python
#: For `make test-pythons`; those that are not installed are left out.
PYTHONS := python3.11 python3.12 python3.13 python3.14

# Also where .venv is there already, and it would not be looked at.
ifdef PYTHON
ifneq ($(shell $(PYTHON) -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null),True)
$(error PYTHON=$(PYTHON) is no Python 3.11 or newer that runs: give another, or leave it out)
endif
endif

.PHONY: help run test test-crash test-long test-coverage drill evening swarm bench bench-peers fuzz fuzz-openapi test-strangers lock check format clean test-browser test-containers test-pythons

help: ## this list
	@echo "make ...  (PYTHON=/path/to/python picks the Python for .venv, ARGS=... goes to what it runs)"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "%-19s%s\n", $$1, $$2 }'

run: $(VENV)/dashboard.stamp $(VENV)/bin/txn ## Redis, a posting service, the API and the workers on this machine, until Ctrl-C
	@exec $(PY) -m ops

# More processes than cores: many tests wait for processes that they have started.
QUICK := -n 4 --dist loadscope --no-loadscope-reorder -m "not long and not slow and not browser and not containers"
# pytest rewrites all tests, which takes seconds in each process: kept, also where Python is told to keep nothing.
test test-crash test-long: export PYTHONDONTWRITEBYTECODE :=

test: $(VENV)/test.stamp $(VENV)/dashboard.stamp ## all tests but the long ones, on four processes (ARGS="-n 0": on one)
	$(PY) -m pytest $(QUICK) $(ARGS)

test-crash: $(VENV)/test.stamp $(VENV)/dashboard.stamp ## every crash point, every write that fails, everything that can break in Redis, every world of the model; failovers, the wheel
	$(PY) -m pytest -n 3 --dist worksteal -m slow tests/crash tests/model tests/system tests/ops $(ARGS)

test-long: $(VENV)/test.stamp $(VENV)/dashboard.stamp ## the tests that take minutes
	$(PY) -m pytest -m long $(ARGS)

test-coverage: $(VENV)/test.stamp $(VENV)/dashboard.stamp ## `make test`, and which branches of txn/ it takes, other processes included; ARGS=tests/unit for a part
	@rm -f .coverage .coverage.*
	@$(PY) -m coverage run -m pytest $(QUICK) $(ARGS); code=$$?; \
	$(PY) -m coverage combine --quiet && $(PY) -m coverage report && exit $$code

test-browser: $(VENV)/browser.stamp tests/browser/node_modules ## the admin site in a real browser (needs Debian's chromium-driver)
	$(PY) -m pytest -m browser tests/browser $(ARGS)

test-containers: $(VENV)/test.stamp $(VENV)/dashboard.stamp ## docker-compose.yml on the container engine of this machine (DOCKER_HOST), if there is one
	$(PY) -m pytest -m containers tests/containers $(ARGS)

test-pythons: ## `make test` on every Python from 3.11 on that is installed; PYTHONS="/path/a /path/b" names others
	@found=; for python in $(PYTHONS); do \
	  if $$python -c '' 2>/dev/null; then \
	    found=yes; $(MAKE) PYTHON=$$python VENV=.venv-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])') test || exit 1; \
	  else echo "$$python is not installed: left out"; fi; \
	done; test -n "$$found"

drill: $(VENV)/test.stamp $(VENV)/dashboard.stamp ## the real processes under load, killed and stopped one by one, then audited
	$(PY) -m ops.drill $(ARGS)

evening: $(VENV)/test.stamp $(VENV)/dashboard.stamp ## outage, hang, slow service, killed worker, dead letters; what each page says of them
	$(PY) -m ops.evening $(ARGS)

swarm: $(VENV)/local.stamp .venv-swarm/swarm.stamp ## users on locust, 300 requests/s for 60 s, then a judgement; docs/use/run.md
	@$(PY) -m ops.swarm $(ARGS)

fuzz: $(VENV)/test.stamp $(VENV)/dashboard.stamp ## 50,000 seeded odd requests to the real processes; ARGS="--count 1000 --seed 7" for others
	@$(PY) -m tests.hostile.fuzz $(ARGS)

fuzz-openapi: $(VENV)/test.stamp $(VENV)/dashboard.stamp .venv-schema/schema.stamp ## requests made of /openapi.json to the real API; ARGS="--max-examples 1000" for more
	@$(PY) -m tests.hostile.described $(ARGS)

test-strangers: $(VENV)/test.stamp $(VENV)/dashboard.stamp .venv-strangers/strangers.stamp tests/strangers/node_modules ## clients that others have written, and one made of /openapi.json, as they are, on the real API
	$(PY) -m pytest tests/strangers $(ARGS)

bench: $(VENV)/local.stamp ## measure everything on this machine, in 35 minutes; ARGS=--quick for less, ARGS="whole idle" for a part
	@$(PY) -m bench $(ARGS)

bench-peers: $(VENV)/local.stamp .venv-peers/peers.stamp ## the same job on BullMQ (needs Node 20), Celery and plain Dramatiq, in turn with ours; ARGS="--rounds 10"
	@cd bench/peers && npm ci --ignore-scripts --no-audit --no-fund --silent
	@$(PY) -m bench.peers $(ARGS)

lock: $(VENV)/tools.stamp ## write requirements/lock/ from requirements/*.txt, with hashes; ARGS=--upgrade takes newer ones of what is not named there
	@for file in $(wildcard requirements/*.txt); do \
	  case $$file in *dashboard*) deps=--no-deps;; *) deps=;; esac; \
	  $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make lock" $$deps $(ARGS) $$file -o requirements/lock/$${file##*/} || exit 1; \
	done

check: $(VENV)/test.stamp $(VENV)/dashboard.stamp ## lint, format, types, and which module may import which
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/test.stamp $(VENV)/dashboard.stamp ## format the code, and fix what can be fixed automatically
	$(PY) -m ruff check --fix-only
	$(PY) -m ruff format

clean: ## remove .venv, .venv-* and the caches; the data of `make run` (.txn) stays
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A link to a Python that has gone counts as missing: .venv is made anew then, and everything installed again.
$(PY):
	@for python in $(or $(PYTHON),python3.11 python3); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$($$python --version)"; \
	    $$python -m venv --clear $(VENV) && exit 0; \
	    rm -rf $(VENV); exit 1; \
	  fi; \
	done; \
	echo "Python 3.11 or newer is needed: install it, or say where it is with make PYTHON=/path/to/python" >&2; exit 1

$(VENV)/dashboard.stamp: requirements/lock/dashboard.txt $(VENV)/local.stamp
	@$(PY) ops/install.py $< --no-deps
	@touch $@

$(VENV)/browser.stamp: $(VENV)/test.stamp $(VENV)/dashboard.stamp

# axe-core, which the browser is asked about accessibility with, and axios: without npm these tests are left out.
tests/browser/node_modules tests/strangers/node_modules: tests/%/node_modules: tests/%/package-lock.json
	@if command -v npm >/dev/null; then cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --silent && touch node_modules; \
	else echo "npm is not installed: what needs $(@D)/package.json is left out" >&2; fi

# Locust brings Locust brings a pytest plugin and a web server of its own, Celery much else.
.venv-swarm/swarm.stamp: requirements/lock/swarm.txt
.venv-schema/schema.stamp: requirements/lock/schema.txt
.venv-strangers/strangers.stamp: requirements/lock/strangers.txt
.venv-peers/peers.stamp: requirements/lock/peers.txt
.venv-swarm/swarm.stamp .venv-peers/peers.stamp .venv-schema/schema.stamp .venv-strangers/strangers.stamp: $(PY)
	@echo "Installing $(filter %.txt,$^)"
	@$(PY) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $(filter %.txt,$^)
	@touch $@

$(VENV)/%.stamp: requirements/lock/%.txt $(PY)
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null
	@$(PY) ops/install.py $<
	@touch $@

$(VENV)/bin/txn: ops/txn.sh $(PY)
	@cp $< $@
