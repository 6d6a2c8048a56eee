# Everything a person types. Each target makes what it needs; `make help` lists them.

PORT ?= 8000
SITES ?= 60
# A stage of .chalice/config.json, and where its package is put (out/STAGE).
STAGE ?=
OUT ?= out/$(STAGE)
# What goes wrong in `make chaos`, and when, is drawn from it.
SEED ?= 1
# Programs of infra/interop/programs.py, such as "py-ocpi ocpi-types"; none is all.
ONLY ?=
# Simulated seconds per second at the sandbox's charge points; 0 is no simulated CSMS.
CSMS_SPEED ?= 10
# OCPI versions, such as "2.1.1 2.2": `make run` starts one more eMSP of each.
EMSP_VERSIONS ?=
# Files go out in the order of tests/conftest.py: long ones first, and all that share a sandbox to one worker. A
# third worker for two cores, because some of the time is waiting. The slowest ten tests are printed.
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder --durations=10

# Each start of a node compiles the whole code again where this is set.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# What only `make e2e` needs, apart from the rest.
SAM := $(VENV)/sam/.installed

# The first interpreter that is recent enough (the deployed runtimes are 3.11 to 3.13).
RECENT := import sys; sys.exit(sys.version_info < (3, 11))
FOUND = $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(RECENT)' 2>/dev/null && echo $$python && break; done)

.DEFAULT_GOAL := help
.PHONY: help venv run test certify e2e interop chaos check format bench costs mutants package deploy undeploy audit clean

help: ## show this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

venv: $(STAMP) ## make the virtual environment in .venv

# The sandbox takes the place of its shell: Ctrl-C and SIGTERM reach it as they are.
run: $(STAMP) ## serve a CPO, a hub and an eMSP on PORT, PORT+1 and PORT+2 until Ctrl-C
	@exec $(PYTHON) -m infra.local.run --port $(PORT) --sites $(SITES) --csms-speed $(CSMS_SPEED) \
		--emsp-versions "$(EMSP_VERSIONS)"

test: $(STAMP) ## run every test
	$(PYTHON) -m pytest $(PYTEST_ARGS)

certify: $(STAMP) ## run the 33 scenarios, against the sandbox that runs or one of its own
	@./ocpi certify

e2e: $(SAM) ## deploy three packaged nodes onto an emulated AWS and run the 33 scenarios there
	@$(PYTHON) -m infra.e2e

interop: $(STAMP) ## run other people's OCPI programs as partners of a sandbox; ONLY=py-ocpi runs one
	@$(PYTHON) -m infra.interop $(ONLY)

chaos: $(STAMP) ## let everything fail at once and count what was promised; SEED=7 draws other faults
	@$(PYTHON) -m infra.chaos --seed $(SEED)

check: $(STAMP) ## format, lint and types, without changing anything
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

format: $(STAMP) ## write the format that check asks for
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

bench: $(STAMP) ## measure, beside our peers; results in .local/bench
	$(PYTHON) -m bench

costs: $(STAMP) ## what a node costs a month on AWS, as the table of docs/costs.md
	@$(PYTHON) -m bench.costs

package: $(STAMP) ## one CloudFormation template and two zips of STAGE, in OUT
	@$(PYTHON) -m infra.package "$(STAGE)" --out "$(OUT)"

deploy: $(STAMP) ## STAGE into the AWS account of your credentials; again changes nothing
	@$(PYTHON) -m infra.deploy deploy "$(STAGE)"

undeploy: $(STAMP) ## STAGE out of the account, but its table and its key
	@$(PYTHON) -m infra.deploy undeploy "$(STAGE)"

AUDIT := .local/audit

audit: $(AUDIT)/.installed ## what CloudFormation would refuse, and what is insecure, in every stage's package
	@for stage in cpo hub emsp; do $(PYTHON) -m infra.package $$stage || exit 1; done
	@$(AUDIT)/bin/python infra/audit.py out/cpo out/hub out/emsp

$(AUDIT)/.installed: requirements-audit.txt $(STAMP)
	@$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

MUTANTS := .local/mutants
# Parts of modules' paths, such as "storage/cursor pricing/"; none is every guarded module.
MODULES ?=
# How many small faults to try in all, always the same ones; 0 is every one, which takes hours.
SAMPLE ?= 0

mutants: $(MUTANTS)/.installed ## put small faults into the code that guards money and access: which do the tests find?
	@$(MUTANTS)/bin/python -m bench.mutants $(MODULES) --sample $(SAMPLE)

$(MUTANTS)/.installed: requirements-mutants.txt $(STAMP)
	@$(PYTHON) -m venv $(MUTANTS)
	$(MUTANTS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean: ## forget the sandbox: its data, keys and logs
	rm -rf .local

$(STAMP): requirements.txt requirements-dev.txt
	@test -n "$(FOUND)" || { echo "Python 3.11 or newer is needed: neither python3 nor" \
		"python3.11, python3.12 or python3.13 is one."; exit 1; }
	@$(FOUND) -c 'import ensurepip, venv' || { echo "$(FOUND) cannot make virtual environments:" \
		"on Debian and Ubuntu, apt install python3-venv."; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || $(FOUND) -m venv --clear $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(SAM): $(STAMP) infra/e2e/requirements.txt
	@rm -rf $(@D)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --target $(@D) -r infra/e2e/requirements.txt
	@touch $@
