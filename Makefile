# Make as a command runner: always make, so that no target needs a .PHONY.
MAKEFLAGS += --always-make --no-print-directory

# All that is fetched or built for this repository and is worth keeping goes here; `rm -r` it at will.
export COORDINATED_TELEMETRY_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/coordinated-telemetry
# uv and tox come from `make setup`.
export PATH := $(COORDINATED_TELEMETRY_CACHE)/tools/bin:$(PATH)
# The local Juju, a project of its own that is installed nowhere.
export PYTHONPATH := $(CURDIR)/tests/localjuju
# One finder for all: what it says goes to tox, the packing and the local Juju. CHARM_PYTHON is the Python that the
# charms are packed for: 3.12 where the machine has it, else another one.
FIND_PYTHON = PYTHONPATH=tests/localjuju python3 -m localjuju.common.pythons
ifeq ($(CHARM_PYTHON),)
CHARM_PYTHON := $(shell $(FIND_PYTHON))
endif
ifneq ($(CHARM_PYTHON),)
export CHARM_PYTHON
endif
comma := ,
# charmlint needs a newer Python than the rest. A machine without one can still run all other checks, and is told.
CHARMLINT_PYTHON ?= $(shell $(FIND_PYTHON) --quiet 3.12 3.13 3.14)
SAY_SKIPPED = $(if $(CHARMLINT_PYTHON),:,echo 'SKIPPED charmlint: it needs Python 3.12 or newer, and none was found here' >&2)
# A Python that the machine does not have is said, not fetched from outside the registries.
export UV_PYTHON_DOWNLOADS ?= never
TOX = tox run
# For `make lint`; the hook of each commit asks for the quick one only.
LINTERS = lint,static$(if $(CHARMLINT_PYTHON),$(comma)charmlint)
CHARMS = coordinator-charm worker-charm
STORES = tests/stores/prometheus tests/stores/loki tests/stores/tempo tests/stores/self-signed-certificates

help:  # Display this help
	@printf "Usage: make [target] [ARGS='…']\n\nTargets:\n"
	@awk -F ':.*# ' '/^[a-z-]+:.*# / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

demo: export PYTHONPATH := $(PYTHONPATH):$(CURDIR)/tests/integration:$(CURDIR)/tests/stores
demo:  # Set up, pack, deploy, show the three flows of every unit; KEEP=0 does not stay
	@python3 scripts/demo.py $(ARGS)

test: export LOCALJUJU_IS_SET_UP = 1
test: lint unit integration  # Everything that .ci/run checks
	@$(SAY_SKIPPED)

# Please keep the list below in alphabetical order.

bench: setup pack  # Measure the charms against a null charm and a minimal nginx, into build/bench.json
	@$(TOX) -e bench -- $(ARGS)

clean:  # Remove what was built and the test environments, but not the cache
	rm -rf build .tox .pytest_cache .ruff_cache .hypothesis

format: tools  # Format the code and fix what ruff can fix
	@$(TOX) -e format

integration: setup pack  # Run Jubilant tests, eg: make integration ARGS='-k flows'; JUJU=juju for a real Juju
	@$(TOX) -e integration -- $(ARGS)

lint: setup  # ruff, pyright, codespell, charmlint, vendored copies, alert rules
	@CHARMLINT_PYTHON=$(CHARMLINT_PYTHON) $(TOX) -e $(LINTERS)
	@$(SAY_SKIPPED)

load: setup pack  # Break and change things under a constant load, into build/load.json; some ten minutes
	@$(TOX) -e integration -- -s -m load $(ARGS)

lock: tools  # Pin every dependency in the pyproject.toml files; ARGS=--upgrade takes the newest
	@python3 scripts/lock.py $(ARGS)

pack: setup  # Pack both charms and the stores' charms into build/
	@python3 scripts/pack.py $(CHARMS) $(STORES)

setup:  # Install or build what the other targets need; does nothing when all is there
	@python3 scripts/setup.py

tools:  # Only uv and tox, which is enough for format, lock and unit
	@python3 scripts/setup.py tools

unit: tools  # Run unit tests, eg: make unit ARGS='-k nginx'
	@$(TOX) -e unit -- $(ARGS)

vendor:  # Copy lib/coordinated_telemetry into both charms
	@python3 scripts/vendor.py
