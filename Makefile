# The short way; `warren --help` is the full one. Targets hold no logic: each says what it calls.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PYTHON ?= python3
WARREN := .venv/bin/warren
RUN := .venv/bin/python -m
TIME ?= 8h
# Tools find each other (ansible-lint calls ansible) in .venv.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

ifeq ($(filter load,$(MAKECMDGOALS))$(PROFILE),load)
$(error which profile? make load PROFILE=work, or retry, or priority)
endif
ifeq ($(filter provision,$(MAKECMDGOALS))$(INVENTORY),provision)
$(error which hosts? make provision INVENTORY=ansible/inventory)
endif
ifeq ($(filter chaos-kill,$(MAKECMDGOALS))$(NODE),chaos-kill)
$(error which node? make chaos-kill NODE=rmq2)
endif

.PHONY: help setup setup-dev cluster-up cluster-down cluster-status cluster-destroy hosts-up hosts-down provision load \
	demo dashboards chaos-kill chaos-heal chaos-soak test test-unit test-cluster test-full check check-code \
	check-contract check-ansible check-wheel check-grafana bench docs lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv from the lock (only where the lock has changed)
	@PYTHON=$(PYTHON) deploy/setup/venv.sh run

setup-dev: ## the same, with what tests and linters need
	@PYTHON=$(PYTHON) deploy/setup/venv.sh dev

cluster-up: setup ## bring the cluster up, engine and images included
	$(WARREN) cluster up

cluster-down: setup ## stop the cluster and keep its data
	$(WARREN) cluster down

cluster-status: setup ## say what runs and whether it is well
	$(WARREN) cluster status

cluster-destroy: setup ## remove the cluster and its data
	$(WARREN) cluster destroy

hosts-up: setup ## have a Debian host with systemd and sshd for each node, and an inventory of them
	$(WARREN) hosts up

hosts-down: setup ## remove the test hosts
	$(WARREN) hosts down

load: setup ## run a load profile: make load PROFILE=work
	$(WARREN) load run $(PROFILE)

demo: setup ## cluster, load, a node killed and healed, and the verdicts
	$(WARREN) demo

dashboards: setup ## open the dashboards
	$(WARREN) dashboards open

chaos-kill: setup ## kill a node: make chaos-kill NODE=rmq2
	$(WARREN) chaos kill $(NODE)

chaos-heal: setup ## undo every fault
	$(WARREN) chaos heal

provision: setup-dev ## bring hosts to the topology: make provision INVENTORY=ansible/inventory
	cd ansible && ansible-playbook site.yml --inventory $(abspath $(INVENTORY)) $(PROVISION)

chaos-soak: cluster-up ## every fault by every profile, again and again, for TIME (8h); goes on where it ended
	$(WARREN) chaos matrix --resume --budget $(TIME)

test: test-unit test-cluster ## unit tests, then the tests on a real cluster

test-unit: setup-dev ## the tests that need no engine
	$(RUN) pytest tests/unit -m "not full" -n auto --dist worksteal

test-cluster: setup-dev ## the tests on a real cluster
	$(RUN) pytest tests/cluster -m "not full" --durations=15

test-full: setup-dev ## every test, those that take long too; a second run goes on where the first failed
	$(RUN) pytest tests --stepwise

check: setup-dev ## linters, types, generated files, the wheel
	$(MAKE) --jobs=2 --output-sync=target check-contract check-code check-ansible check-wheel

check-code:
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	shellcheck .ci/run deploy/setup/*.sh deploy/images/base/* deploy/images/rabbitmq/docker-entrypoint.sh \
		deploy/images/perftest/perftest
	$(RUN) mypy
	$(RUN) mypy --config-file tests/mypy.ini tests
	$(WARREN) topology render --check
	$(RUN) warren.reference --check
	$(RUN) warren.audit

check-contract:
	$(RUN) pytest -q tests/contract -m "not full" -n auto --dist worksteal

check-ansible:
	cd ansible && ansible-playbook --syntax-check site.yml && ansible-lint --offline --profile production

check-wheel:
	deploy/setup/wheel.sh

check-grafana: setup-dev ## the dashboards against Grafana's own types (needs npm)
	.venv/bin/python tests/grafana_schema/check.py

bench: cluster-up ## Warren beside PerfTest, cell by cell, on the same cluster; hours, and it can be resumed
	$(WARREN) bench
	$(WARREN) bench scrapes --queues 4000
	$(WARREN) bench ledger

docs: setup ## write the reference pages of docs/ anew
	$(RUN) warren.reference

lock: ## write the locks anew from pyproject.toml (needs uv)
	deploy/setup/lock.sh

clean: ## remove .venv, caches and build products (not the cluster: make cluster-destroy)
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
