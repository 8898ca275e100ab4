# Two commands do all of the set-up: `make demo` and `make test`. Each installs what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
T ?= tests

# The last line of bootstrap's output is the directory of the environment's programs.
BIN = $$(tools/bootstrap.sh | tail -n 1)

.PHONY: help demo test test-long test-openstack test-kubernetes kubernetes-mirror lint audit quick api samples bench \
	bench-scale fuzz test-crash clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

demo: ## A real bay on this machine, used through its own TLS API (KEEP=1 leaves it running, COE=kubernetes)
	@bin="$(BIN)"; exec "$$bin/magnum-lite" demo $(if $(KEEP),--keep) $(if $(COE),--coe $(COE))

test: ## Lint and every suite (T=path: one of them)
	@bin="$(BIN)"; tools/lint.sh "$$bin"; exec tools/suites.sh "$$bin" $(T)

test-kubernetes: kubernetes-mirror ## Real Kubernetes bays, with what is long (Go; the first build takes an hour)
	@bin="$(BIN)"; exec "$$bin/python" -m pytest -s -m "long or not long" $(if $(filter tests,$(T)),tests/kubernetes,$(T))

kubernetes-mirror: ## Build Kubernetes and what its nodes need from source, and say where the mirror is
	@bin="$(BIN)"; exec "$$bin/python" -m tests.kubernetes.building

test-long: ## What takes too long for each check: upgrades of real bays, kills of a real Heat
	@bin="$(BIN)"; exec "$$bin/python" -m pytest -m long $(T)

quick: ## The suites that need neither root nor a cloud
	@bin="$(BIN)"; exec "$$bin/python" -m pytest -m "not local and not openstack and not crash and not long" $(T)

test-openstack: ## Cloud mode: MariaDB, PostgreSQL, RabbitMQ, Keystone, Heat, several of each of our processes
	@bin="$(BIN)"; exec "$$bin/python" -m pytest -m openstack tests/openstack

lint: ## ruff, mypy, import-linter, bandit, shellcheck
	@bin="$(BIN)"; tools/lint.sh "$$bin"

AUDIT = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/magnum-lite/pip-audit
audit: ## Known faults of dependencies: asks PyPI, or reads a copy of OSV's advisories (ADVISORIES=path)
	@bin="$(BIN)"; if [ -n "$(ADVISORIES)" ]; then exec "$$bin/python" tools/audit.py "$(ADVISORIES)"; fi; \
	[ -x "$(AUDIT)/bin/pip-audit" ] || { "$$bin/python" -m venv "$(AUDIT)"; "$(AUDIT)/bin/pip" -q install pip-audit; }; \
	exec "$(AUDIT)/bin/pip-audit" --strict --disable-pip --no-deps --requirement constraints.txt

fuzz: ## New bad input, N times as much as in `make test` (N=100)
	@bin="$(BIN)"; MAGNUM_LITE_FUZZ=$(or $(N),100) exec "$$bin/python" -m pytest -k "fuzz or bad_input or csr or user_data or addresses or sealing" $(T)

test-crash: ## Kill everything, again and again, and look that nothing is lost (KILLS=500, SEED=…, HEAT=real)
	@bin="$(BIN)"; MAGNUM_LITE_KILLS=$(or $(KILLS),100) MAGNUM_LITE_KILLS_HEAT=$(or $(KILLS),20) \
		MAGNUM_LITE_SEED=$(or $(SEED),0) exec "$$bin/python" -m pytest \
		$(if $(filter real,$(HEAT)),-m long tests/crash/test_kills_heat.py,tests/crash/test_kills.py)

api: ## Write doc/api.rst and the API snapshot anew, after a change of the API that is meant
	@bin="$(BIN)"; "$$bin/python" -W ignore -m magnum_lite.cmd.manage api reference > doc/api.rst
	@bin="$(BIN)"; "$$bin/python" -W ignore -m magnum_lite.cmd.manage api outline > tests/functional/snapshots/api.txt

samples: ## Write the sample configuration and policy under etc/ anew, after a change of options or rules
	@bin="$(BIN)"; "$$bin/python" -W ignore -c 'from oslo_config import generator as g; g.main()' \
		--config-file etc/magnum_lite/config-generator.conf; \
	"$$bin/python" -W ignore -c 'from oslo_policy import generator as g; g.generate_sample()' \
		--namespace magnum_lite --output-file etc/magnum_lite/policy.yaml.sample

bench: ## Measure (see benchmarks/)
	@bin="$(BIN)"; exec "$$bin/python" -m benchmarks

bench-scale: ## Measure many bays and big ones (see benchmarks/scale.py)
	@bin="$(BIN)"; exec "$$bin/python" -m benchmarks.scale --write

clean: ## Remove caches of this checkout (not the shared one under ~/.cache/magnum-lite)
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist ./*.egg-info
