# Everything a developer runs. Only python >= 3.11, git and make need to be on the machine.

VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2

# The first of these that is new enough; `make PYTHON=/path/to/python test` overrides the search.
CANDIDATES = python3.13 python3.12 python3.11 python3.14 python3 python
NEW_ENOUGH = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	if $$p -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then echo $$p; break; fi; done)

# pip says nothing unless it fails; index, proxies and caches are those of the user's own settings.
PIP = $(BIN)/python -m pip install --disable-pip-version-check
quiet = mkdir -p build; $(1) >build/pip.log 2>&1 || { cat build/pip.log; exit 1; }

# One thread per worker: the array library's own threads only fight with pytest's workers.
# Four xla devices on the CPU; XLA compiles every shape once, which takes less without optimising.
XLA = --xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0 \
	--xla_llvm_disable_expensive_passes=true
# Many tests start Python: without compiled files on disk each would compile the library anew.
ENV = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 XLA_FLAGS='$(XLA)' \
	PYTHONDONTWRITEBYTECODE=
PYTEST = $(ENV) $(BIN)/python -m pytest

INPUTS := pyproject.toml constraints.txt api/_version.py
# Plugins in distributions of their own; that over PyTorch only where PyTorch is.
THIRDPARTY := $(addprefix tests/thirdparty/tensorplug-,strict dask)
THIRDPARTY_TORCH := tests/thirdparty/tensorplug-torch
THIRDPARTY_FILES := $(shell find $(THIRDPARTY) $(THIRDPARTY_TORCH) -type f -not -name '*.pyc' \
	-not -path '*.egg-info/*' -not -path '*/build/*' 2>/dev/null)

.PHONY: help setup setup-parity demo examples test conformance faults mutants downstream array-api lint format \
	types stubs rules freeze bench parity gpu test-gpu lock clean

help:
	@echo 'make demo         train a digit classifier on cpu and xla:0, in a minute'
	@echo 'make examples     run all programs in examples/ with small settings; DEVICE=cpu'
	@echo 'make test         the tests, then the conformance suite on all devices'
	@echo 'make conformance  the conformance suite only; DEVICES="cpu xla:0"'
	@echo 'make faults       the suite on backends that are wrong on purpose; WRITE=1 rewrites the table'
	@echo 'make downstream   the suite on registered plugins, and the table of what they support'
	@echo 'make array-api    the public array API suite, from the checkout $$ARRAY_API_TESTS; DEVICE=cpu'
	@echo 'make lint types   ruff; mypy'
	@echo 'make stubs        rewrite the type stubs from the registry'
	@echo 'make rules        rewrite docs/conformance-rules.md from the suite'
	@echo 'make parity       compare with PyTorch (installs it into $(VENV))'
	@echo 'make test-gpu     everything that needs an NVIDIA GPU'
	@echo 'make bench        benchmarks'
	@echo 'make setup        create $(VENV) with everything a developer needs'
	@echo 'make lock         rewrite constraints.txt from what pip picks today'
	@echo 'make clean        remove what these commands made, $(VENV) too'

# --- setting up: each stamp is redone when what it was made from has changed -------------------

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo >&2 'make: no Python >= 3.11 with venv and pip found' \
	'(tried: $(CANDIDATES)); install one or name it: make PYTHON=/path/to/python'; exit 1; }
	@echo 'setting up $(VENV) with $(PYTHON)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.stamp-run: $(INPUTS) | $(BIN)/python
	@$(call quiet,$(PIP) -c constraints.txt -e '.[jax]')
	@touch $@

$(VENV)/.stamp-dev: $(INPUTS) | $(BIN)/python
	@echo 'installing tensorplug for development'
	@$(call quiet,$(PIP) -c constraints.txt -e '.[dev]')
	@touch $@ $(VENV)/.stamp-run

# Real installations, by their own pyproject.toml, as a user of a third-party plugin does it.
$(VENV)/.stamp-thirdparty: $(THIRDPARTY_FILES) $(VENV)/.stamp-dev
	@echo 'installing the third-party plugins $(THIRDPARTY)'
	@$(call quiet,$(PIP) -c constraints.txt --force-reinstall --no-deps $(THIRDPARTY:%=./%))
	@touch $@

$(VENV)/.stamp-parity: $(VENV)/.stamp-dev $(VENV)/.stamp-thirdparty
	@echo 'installing PyTorch for comparison, and the plugin over it'
	@$(call quiet,$(PIP) -c constraints.txt -e '.[dev$(,)parity]')
	@$(call quiet,$(PIP) -c constraints.txt --force-reinstall --no-deps ./$(THIRDPARTY_TORCH))
	@touch $@

$(VENV)/.stamp-array-api: $(VENV)/.stamp-dev
	@echo 'installing what the public array API suite needs'
	@$(call quiet,$(PIP) -c constraints.txt -e '.[dev$(,)array-api]')
	@touch $@

setup: $(VENV)/.stamp-thirdparty

# With PyTorch at hand the tests that compare with it run too.
setup-parity: setup $(VENV)/.stamp-parity

# --- what users run ----------------------------------------------------------------------------

demo: $(VENV)/.stamp-run
	@$(BIN)/tensorplug demo

DEVICE ?= cpu
examples: $(VENV)/.stamp-run
	@set -e; for script in $(filter-out %/example_data.py,$(wildcard examples/*.py)); do \
	echo "== $$script --quick --device $(DEVICE)"; \
	$(ENV) $(BIN)/python $$script --quick --device $(DEVICE); done

# --- what developers run -----------------------------------------------------------------------

# One device of each kind, and not the first, where a kernel on the wrong device goes unnoticed. The
# whole suite on cpu; `make test` tries one in SHARE of the tests of functions on the others, chosen
# by name, and `make conformance` all of them.
DEVICES ?= cpu strict:0 loopback:1 xla:1
SHARE ?= 8

# The loader's tests fork processes, which JAX refuses once it is imported: they run by themselves.
# pytest's exit status 5 says that ARGS chose no test of a part.
test: setup
	$(PYTEST) -n $(JOBS) --ignore=tests/data $(ARGS) || [ $$? -eq 5 ]
	$(PYTEST) -n $(JOBS) tests/data $(ARGS) || [ $$? -eq 5 ]
	$(if $(filter cpu,$(DEVICES)),@$(MAKE) --no-print-directory conformance DEVICES=cpu)
	$(if $(filter-out cpu,$(DEVICES)),@$(MAKE) --no-print-directory conformance \
	DEVICES='$(filter-out cpu,$(DEVICES))' ARGS='--share $(SHARE) $(ARGS)')

conformance: setup
	$(PYTEST) -n $(JOBS) --pyargs tensorplug.conformance $(DEVICES:%=--device %) $(ARGS)

# The suite itself is tested: every seeded fault must be found, nothing else may be flagged. Not from
# the root, where Python would take the folder conformance for a module of that name.
FAULTS = cd tests/conformance && $(ENV) '$(abspath $(BIN))/python' -m faults

faults: setup
	@mkdir -p build/faults
	$(FAULTS) --workers $(JOBS) --json '$(CURDIR)/build/faults/matrix.json' \
	$(if $(WRITE),--record --write '$(CURDIR)/docs/conformance-faults.md') $(ARGS)

# Registered plugins, each in an environment of its own over this one, and docs/support.md.
downstream: setup
	cd tests && $(ENV) '$(abspath $(BIN))/python' -m downstream watch --workers $(JOBS) $(ARGS)

mutants: setup
	$(FAULTS).mutation --workers $(JOBS) $(ARGS)

# The public suite as it is, without lists of skips or expected failures; tests/array_api/unskip.py
# runs the tests too that the suite itself marks as flaky.
EXAMPLES ?= 200

array-api: setup $(VENV)/.stamp-array-api
	@test -f '$(ARRAY_API_TESTS)/array_api_tests/__init__.py' || { echo >&2 'make array-api: set' \
	'ARRAY_API_TESTS to a checkout of github.com/data-apis/array-api-tests with its submodule' \
	'(got "$(ARRAY_API_TESTS)")'; exit 1; }
	cd '$(ARRAY_API_TESTS)' && $(ENV) PYTHONPATH='$(CURDIR)/tests/array_api' \
	TENSORPLUG_DEFAULT_DEVICE=$(DEVICE) ARRAY_API_TESTS_MODULE=tensorplug.array_api \
	ARRAY_API_TESTS_VERSION=2025.12 '$(abspath $(BIN))/python' -m pytest -p unskip \
	-p no:cacheprovider --disable-deadline --max-examples $(EXAMPLES) array_api_tests $(ARGS)

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.stamp-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# mypy knows no package-dir mapping, so the folders are linked into one tree, and the paths of its
# messages are turned back into those of the repository.
PACKAGES := autograd backends conformance plugins
types: $(VENV)/.stamp-dev
	@rm -rf build/types && mkdir -p build/types/tensorplug
	@ln -s $(CURDIR)/api/* $(PACKAGES:%=$(CURDIR)/%) build/types/tensorplug
	@$(BIN)/mypy -p tensorplug >build/types.txt 2>&1; status=$$?; \
	sed -E -e 's#build/types/tensorplug/(autograd|backends|conformance|plugins)/#\1/#' \
	-e 's#build/types/tensorplug/#api/#' build/types.txt; exit $$status

# Public functions and Tensor methods are made at run time; the stubs say so to mypy and editors.
# The table of ops for authors of backends comes from the same registry.
stubs: $(VENV)/.stamp-dev
	@$(BIN)/python -m tensorplug._stubs
	@$(BIN)/python tests/scaffold/ops_page.py

# The page of rules, and the list of tests and functions that must pass, from the suite as it is. The
# list of a version that was released is not to be rewritten: name a new version first.
rules: $(VENV)/.stamp-dev
	@$(BIN)/python -m tensorplug.conformance.rules docs/conformance-rules.md

freeze: $(VENV)/.stamp-dev
	@$(BIN)/python -m tensorplug.conformance.levels

bench: $(VENV)/.stamp-dev
	@$(ENV) $(BIN)/python benchmarks/run.py $(ARGS)

# Everything that needs an NVIDIA GPU. The driver says which CuPy it serves.
GPU_PYTEST = XLA_FLAGS= $(BIN)/python -m pytest
DRIVER = nvidia-smi 2>/dev/null | sed -nE 's/.*CUDA Version: ([0-9]+).*/\1/p'

gpu:
	@test -n "$$($(DRIVER))" || { echo >&2 'make test-gpu: expected an NVIDIA GPU and its driver,' \
	'got none (nvidia-smi finds no CUDA version); run it on a machine that has them'; exit 1; }

test-gpu: gpu setup
	@cuda=$$($(DRIVER)); test $$cuda -ge 13 || cuda=12; test $$cuda -lt 13 || cuda=13; \
	echo "installing CuPy, JAX and PyTorch for CUDA $$cuda"; \
	$(call quiet,$(PIP) -e ".[dev$(,)cuda$$cuda]" "jax[cuda$$cuda]" torch)
	$(GPU_PYTEST) tests/cuda $(ARGS)
	TENSORPLUG_CUDA_BLOCKING=1 $(GPU_PYTEST) --pyargs tensorplug.conformance --device cuda:0 \
	--device xla:0 $(ARGS)
	$(BIN)/tensorplug demo --device cuda:0
	$(BIN)/python -m benchmarks.cuda

parity: $(VENV)/.stamp-parity
	$(PYTEST) -n $(JOBS) tests/parity $(ARGS)

# PyTorch itself is pinned in pyproject.toml: its wheels carry local labels such as +cpu.
lock: | $(BIN)/python
	@rm -rf build/lock && $(BIN)/python -m venv build/lock
	@$(call quiet,build/lock/bin/python -m pip install -e '.[dev$(,)parity$(,)viz$(,)array-api]')
	@{ echo '# What CI installs; rewritten by `make lock`.'; \
	build/lock/bin/python -m pip freeze --all --exclude-editable --exclude pip \
	--exclude tensorplug --exclude torch | grep -v '^nvidia-\|^cuda-\|^triton=' ; } >constraints.txt
	@rm -rf build/lock

, := ,

clean:
	rm -rf $(VENV) build dist demo-output htmlcov .coverage .coverage.* *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
