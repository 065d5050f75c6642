# Make as a command runner: always make, so that no target needs a .PHONY.
MAKEFLAGS += --always-make --no-print-directory

# Everything fetched or built for this repository that is worth keeping goes here; `rm -r` it at will.
export COORDINATED_TELEMETRY_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/coordinated-telemetry
# uv and tox come from `make setup`, which names their environment after the requirements' hash.
TOOLS := $(COORDINATED_TELEMETRY_CACHE)/tools-$(shell sha256sum < scripts/requirements/tools.txt | cut -c1-16)
export PATH := $(TOOLS)/bin:$(PATH)
# The local Juju is a project of its own, installed nowhere.
export PYTHONPATH := $(CURDIR)/tests/localjuju
# One finder serves tox, the packing and the local Juju. CHARM_PYTHON is the Python that the charms are packed for: 3.12
# where the machine has it, otherwise another one.
FIND_PYTHON = PYTHONPATH=tests/localjuju python3 -m localjuju.common.pythons
ifeq ($(CHARM_PYTHON),)
CHARM_PYTHON := $(shell $(FIND_PYTHON))
endif
ifneq ($(CHARM_PYTHON),)
export CHARM_PYTHON
endif
comma := ,
# charmlint needs a newer Python than the rest. A machine without one runs all other checks and says what it skipped.
CHARMLINT_PYTHON ?= $(shell $(FIND_PYTHON) --quiet 3.12 3.13 3.14)
SAY_SKIPPED = $(if $(CHARMLINT_PYTHON),:,echo 'SKIPPED charmlint: it needs Python 3.12 or later, and this machine has none' >&2)
# uv reports a Python that the machine lacks, and never fetches one from outside the registries.
export UV_PYTHON_DOWNLOADS ?= never
TOX = tox run
# For `make lint`; the hook before each commit runs only the quick one.
LINTERS = lint,static$(if $(CHARMLINT_PYTHON),$(comma)charmlint)
CHARMS = coordinator-charm worker-charm
EXAMPLES = $(patsubst %/charmcraft.yaml,%,$(wildcard tests/localjuju/examples/*/charmcraft.yaml tests/localjuju/examples/*/*/charmcraft.yaml))
# Their charms stand in for COS' on the local Juju. A real Juju has the real ones, and needs nothing of the local one.
ifeq ($(JUJU),)
STORES = tests/stores/prometheus tests/stores/loki tests/stores/tempo tests/stores/otel-collector tests/stores/self-signed-certificates tests/stores/s3-integrator
COMPONENTS =
else
export JUJU
STORES =
COMPONENTS = tools pack
endif

help:  # Display this help
	@printf "Usage: make [target] [ARGS='…']\n\nTargets:\n"
	@awk -F ':.*# ' '/^[a-z-]+:.*# / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

demo: export PYTHONPATH := $(PYTHONPATH):$(CURDIR)/tests/integration:$(CURDIR)/tests/stores
demo:  # Set up, pack, deploy, show the three signals of every unit; TLS=1 has all of it over TLS, OTLP=1 sends it through a collector, KEEP=0 tears down at once
	@python3 scripts/demo.py $(ARGS)

test: export LOCALJUJU_IS_SET_UP = 1
test: lint unit integration template  # Run everything that .ci/run checks
	@$(SAY_SKIPPED)

# Please keep the list below in alphabetical order.

bench: setup pack  # Measure the charms against a null charm and a minimal nginx, into build/bench.json
	@$(TOX) -e bench -- $(ARGS)

clean:  # Remove build results and test environments, but keep the cache
	rm -rf build .tox .pytest_cache .ruff_cache .hypothesis

format: tools  # Format the code and fix what ruff can fix
	@$(TOX) -e format

# A charm that is packed elsewhere needs no packing here.
integration: CHARMS = $(if $(COORDINATOR_CHARM_PATH),,coordinator-charm) $(if $(WORKER_CHARM_PATH),,worker-charm)
integration: setup pack  # Run the Jubilant tests, e.g. make integration ARGS='-k flows'; JUJU=juju uses a real Juju
	@python3 scripts/pack.py $(EXAMPLES)
	@$(TOX) -e integration -- $(ARGS)

lint: setup  # Check with ruff, pyright, codespell and charmlint; check vendored copies and alert rules
	@CHARMLINT_PYTHON=$(CHARMLINT_PYTHON) $(TOX) -e $(LINTERS)
	@$(SAY_SKIPPED)

load: setup pack  # Change and break things under a constant load, into build/load.json; takes about ten minutes
	@$(TOX) -e integration -- -n 0 -s -m load $(ARGS)

lock: tools  # Pin every dependency, and the charms' by hash; ARGS=--upgrade takes the newest versions
	@python3 scripts/lock.py $(ARGS)

new-charm: tools  # Make a pair of your own of this one: NAME=webstore DEST=../webstore-operators [ROLES=edge,store,…]
	@PATH="$(PATH)" python3 scripts/new_charm.py --name='$(NAME)' --dest='$(DEST)' $(if $(ROLES),--roles='$(ROLES)') $(if $(UPDATE),--update) $(ARGS)

pack: setup  # Pack both charms and the stores' charms into build/
	@$(if $(strip $(CHARMS) $(STORES)),python3 scripts/pack.py $(CHARMS) $(STORES))

pictures: setup  # Draw the dashboards from live data into docs/pictures, and photograph the stores' pages if there is a Chromium
	@$(TOX) -e pictures -- $(ARGS)

setup:  # Install and build what the other targets need; does nothing once everything is there
	@python3 scripts/setup.py $(COMPONENTS)

template: setup  # Make pairs of your own of this one: run the linters, unit tests and demo of one, and the demos of two with other workloads
	@$(TOX) -e template -- $(ARGS)

tools:  # Install only uv and tox, which suffice for format, lock and unit
	@python3 scripts/setup.py tools

unit: tools  # Run the unit tests, e.g. make unit ARGS='-k nginx'
	@$(TOX) -e unit -- $(ARGS)

vendor:  # Copy lib/coordinated_telemetry into both charms
	@python3 scripts/vendor.py
