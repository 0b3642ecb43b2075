# make help prints every target from the comments behind "##".
PYTHON ?= python3
BIN := .venv/bin
CLOUD ?= cloud
STAMP := .venv/.installed

.PHONY: help install cloud cloud-destroy test unit check format generate bench bench-growth conformance soak clean host-packages

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

install: $(STAMP)  ## make .venv with the package and its development extras

$(STAMP): pyproject.toml tools/install.sh
	@PYTHON=$(PYTHON) tools/install.sh
	@touch $@

host-packages:  ## install what real guests need on this host (root, apt)
	@tools/host_packages.sh

cloud: install  ## the embedded cloud in the foreground, with a first server you can log in to
	@tools/host_packages.sh guests
	@$(BIN)/python tools/make_cloud.py --state-dir $(CLOUD) $(CLOUD_OPTIONS)

cloud-destroy: install  ## stop being a cloud: remove its guests, networks and folder from this host
	@$(BIN)/python -m iaas.cmd.destroy $(CLOUD)

test: install  ## all set-up, then every test
	@tools/host_packages.sh guests servers
	@$(BIN)/python tools/run_tests.py

unit: install  ## the tests that need nothing but Python, on two cores
	@$(BIN)/python -m pytest -n 2 -m "not host and not servers" tests/unit tests/db tests/api tests/tables tests/functional

check: install  ## format, lint, types, import contracts, sizes, generated files; under a minute
	@$(BIN)/ruff format --check -q iaas tests tools
	@$(BIN)/ruff check -q iaas tests tools
	@$(BIN)/python tools/check_size.py
	@$(BIN)/lint-imports --no-logo | tail -n 8
	@$(BIN)/python tools/generate.py --check
	@$(BIN)/python tools/contract.py --check
	@$(BIN)/python tools/ec2_model.py --check
	@$(BIN)/python tools/coverage_ledger.py --check
	@$(BIN)/pyright --level error

format: install  ## let ruff mend format and imports
	@$(BIN)/ruff check -q --fix iaas tests tools || true
	@$(BIN)/ruff format -q iaas tests tools

generate: install  ## write the generated files: sample configuration, policies, state diagrams, operations
	@$(BIN)/python tools/generate.py
	@$(BIN)/python tools/coverage_ledger.py --markdown docs/api/operations.md

bench: install  ## start a cloud of its own and measure it: median and CPU milliseconds per operation
	@$(BIN)/python tools/bench/run.py

bench-growth: install  ## boots and lists beside 10,000 servers, placing among 10,000 hosts
	@$(BIN)/python tools/bench/run.py --growth

conformance: install  ## the suites others wrote, from ../shared/conformance, against a cloud of its own
	@tools/conformance.sh

soak: install  ## the long form of the kill matrix, on MariaDB and PostgreSQL; at most four hours
	@$(BIN)/python tools/chaos.py --long --database mariadb --database postgresql --at-most 240 $(CHAOS_OPTIONS)

clean:  ## remove what make and the tests left here
	@rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache build
