# `make help` shows what there is to make.

VENV := .venv/bin
SHELL := /bin/bash
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup:  ## Install what is missing: packages, .venv, kubectl, helm
	@tools/setup.sh

demo: setup  ## A one-node cluster on this machine with a Pod that serves a page
	@tools/demo.sh

down:  ## Take the demo cluster away, with everything that it left
	@tools/down.sh

test: setup  ## Everything: lint, types, layers, and all tests against the real parts
	@tools/test.sh

lint: setup  ## ruff, mypy --strict
	@$(VENV)/ruff check .
	@$(VENV)/mypy

layers: setup  ## Check that imports point down only
	@$(VENV)/lint-imports --no-cache

unit: setup  ## The tests that need no engine, etcd or kubectl
	@$(VENV)/pytest tests/unit -q

types: setup  ## Generate minikube_py/api/types anew from tools/facts
	@$(VENV)/python tools/gen_types.py

compat: setup  ## Write the tables of docs/compat.md anew from the code
	@$(VENV)/python tools/gen_compat.py

bench: setup  ## Measure; BENCH_ARGS="--peer KUBECONFIG" measures another server in the same run
	@$(VENV)/python -m bench $(BENCH_ARGS)

lock: setup  ## Make requirements.lock anew from what pyproject.toml allows
	@tools/lock.sh

clean: down  ## Remove what setup and runs left in this directory
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help setup demo down test lint layers unit types compat bench lock clean
