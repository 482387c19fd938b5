# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
POLICY ?= bpf_progs/built/two_orders.bpf.o --set order_b=4 --sysfs hugepages-64kB=always
JOBS   ?= 2

COUNT  ?= 10000
SEED   ?= 0
MINUTES ?= 15

.PHONY: help run test lint format progs conformance bench fuzz-engines fuzz-verifier fuzz-objects fuzz-loader prove build-native clean-native test-native bench-verifier wheel clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=/path/to/python3 make run)"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no venv module: apt-get install python3-venv, then again"; exit 2; }

$(VENV)/.run: pyproject.toml | $(BIN)/python
	@echo "installing bpfvm into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[scenario]'
	@$(BIN)/python -m compileall -q bpfvm verifier thpmm
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing bpfvm and what its tests need into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(BIN)/python -m compileall -q bpfvm verifier thpmm
	@touch $@ $(VENV)/.run

run: $(VENV)/.run ## the main job: attach a policy and follow it through fork, exec, update and detach
	@$(BIN)/bpfvm thp run $(POLICY)

test: $(VENV)/.dev ## all tests
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope

lint: $(VENV)/.dev ## style, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.lint_arithmetic

format: $(VENV)/.dev ## put the sources into their one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

conformance: $(VENV)/.dev ## how far we agree with Linux, on the kernel tree's own tests (Debian packages: docs/conformance.md)
	@$(BIN)/python -m tests.conformance.kernel --jobs $(JOBS)
	@$(BIN)/python -m tests.conformance.core_reloc
	@$(BIN)/python -m tests.conformance.opening

bench: $(VENV)/.dev ## measure the engines; writes build/bench.json
	@$(BIN)/python -m bench

fuzz-engines: $(VENV)/.dev ## COUNT programs that a verifier takes and COUNT wild ones on all engines
	@$(BIN)/python -m tests.fuzz.engines --count $(COUNT) --seed $(SEED) --jobs $(JOBS)

fuzz-verifier: $(VENV)/.dev ## random programs against the running kernel's verifier and its states against real runs, for MINUTES
	@$(BIN)/python -m tests.fuzz.verifier --minutes $(MINUTES) --seed $(SEED) --jobs $(JOBS)

fuzz-objects: $(VENV)/.dev ## COUNT changed programs of the objects of make conformance against the running kernel's verifier
	@$(BIN)/python -m tests.fuzz.objects --count $(COUNT) --seed $(SEED)

fuzz-loader: $(VENV)/.dev ## objects with changed bytes through the loader, for MINUTES; guided by atheris if it can be installed
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]' || echo "no atheris here: mutants are drawn at random"
	@$(BIN)/python -m tests.fuzz.loader --minutes $(MINUTES) --seed $(SEED)

prove: $(VENV)/.dev ## soundness of the verifier's numbers, exhaustively at 4 bits
	@BPFVM_PROOF_BITS=4 $(BIN)/python -m pytest -q -n $(JOBS) tests/property/verifier tests/unit/verifier/test_tnum.py

progs: $(VENV)/.dev ## build the shipped BPF objects and the emulated kernel's BTF again
	$(BIN)/python -m bpf_progs.build

build-native: $(VENV)/.dev ## compile the verifier's hot modules beside their sources (a C compiler and Python's headers)
	$(BIN)/python hatch_build.py

clean-native: $(VENV)/.dev ## remove what build-native made
	$(BIN)/python hatch_build.py --clean

test-native: $(VENV)/.dev ## the verifier's tests on compiled modules, in a temporary copy
	@copy=$$(mktemp -d) && trap 'rm -rf $$copy' EXIT && \
	git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t $$copy && cd $$copy && \
	$(CURDIR)/$(BIN)/python hatch_build.py && \
	BPFVM_NATIVE=1 $(CURDIR)/$(BIN)/python -m pytest -n $(JOBS) tests/native tests/unit/verifier tests/property/verifier tests/differential

bench-verifier: $(VENV)/.dev ## measure the verifier beside the running kernel's; writes build/bench-verifier.json
	@$(BIN)/python -m bench.verifier

wheel: $(VENV)/.dev ## a wheel in dist, with compiled modules where they can be compiled (not with BPFVM_NATIVE=0)
	$(BIN)/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist .

clean: ## remove what was made
	rm -rf $(VENV) build dist bpfvm/isa/*.so verifier/*.so verifier/*/*.so bpfvm_native__mypyc*.so
