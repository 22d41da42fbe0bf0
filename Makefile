# Tasks for work on a checkout; `make` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NODE_TOOLS := node_modules/.installed
DEMO := demo
export HF_HUB_OFFLINE ?= 1

.PHONY: help demo demo-training test lint types script imports unit docs installed bench bench-quick clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1|/' | column -t -s '|'

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(INSTALLED) ## analyse an example film
	@$(BIN)/mmerc analyze examples/phone-call.mp4 --subtitles examples/phone-call.srt --out $(DEMO) --overwrite

demo-training: $(INSTALLED) ## train for a minute on an example corpus, then label a conversation
	@$(BIN)/mmerc prepare manifest examples/corpus.jsonl --labels meld --out $(DEMO)/corpus --overwrite
	@test -f $(DEMO)/run/result.json || $(BIN)/mmerc train --recipe demo --corpus $(DEMO)/corpus --out $(DEMO)/run --resume
	@echo
	@$(BIN)/mmerc predict examples/conversation.txt --model $(DEMO)/run --format text

test: $(INSTALLED) ## every check and all tests
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types script docs lint imports
	@$(MAKE) --no-print-directory unit

lint: $(INSTALLED) ## check style and formatting with ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## check types with mypy --strict
	$(BIN)/mypy

$(NODE_TOOLS): $(INSTALLED) package.json package-lock.json
	PATH="$(abspath $(BIN)):$$PATH" npm ci --no-audit --no-fund --silent
	@touch $@

script: $(NODE_TOOLS) ## lint and type-check the pages' JavaScript
	PATH="$(abspath $(BIN)):$$PATH" npm run --silent check

imports: $(INSTALLED) ## check which layer imports which
	$(BIN)/lint-imports --no-cache

unit: $(INSTALLED) ## run the tests with two workers
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

docs: $(INSTALLED) ## build the documentation in site/; fail on dead links
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

installed: ## check the built wheel in a fresh environment (minutes)
	PYTHON=$(PYTHON) .ci/installed

bench-quick: $(INSTALLED) ## compare speed with the stored ratios (under three minutes)
	@$(BIN)/python benchmarks/bench_quick.py

bench: $(INSTALLED) ## measure speed and memory
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean: ## remove the environment and the demo
	rm -rf $(VENV) node_modules $(DEMO)
