# Everything that one does with mmerc from a checkout. `make` alone explains.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NODE_TOOLS := node_modules/.installed
DEMO := demo
export HF_HUB_OFFLINE ?= 1

.PHONY: help demo demo-training test lint types script imports unit docs bench clean

help: ## explain the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1|/' | column -t -s '|'

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(INSTALLED) ## analyse an example film, and say where its page lies
	@$(BIN)/mmerc analyze examples/phone-call.mp4 --subtitles examples/phone-call.srt --out $(DEMO) --overwrite

demo-training: $(INSTALLED) ## train for a minute on an example corpus, then label a conversation
	@$(BIN)/mmerc prepare manifest examples/corpus.jsonl --labels meld --out $(DEMO)/corpus --overwrite
	@test -f $(DEMO)/run/result.json || $(BIN)/mmerc train --recipe demo --corpus $(DEMO)/corpus --out $(DEMO)/run --resume
	@echo
	@$(BIN)/mmerc predict examples/conversation.txt --model $(DEMO)/run --format text

test: lint types script imports docs unit ## lint, types, import rules, the documents' links, then the tests

lint: $(INSTALLED) ## ruff: style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## mypy --strict on src
	$(BIN)/mypy

$(NODE_TOOLS): $(INSTALLED) package.json package-lock.json
	PATH="$(abspath $(BIN)):$$PATH" npm ci --no-audit --no-fund --silent
	@touch $@

script: $(NODE_TOOLS) ## eslint and the type checker on the pages' JavaScript
	PATH="$(abspath $(BIN)):$$PATH" npm run --silent check

imports: $(INSTALLED) ## who may import whom
	$(BIN)/lint-imports --no-cache

unit: $(INSTALLED) ## pytest, two workers with one thread each
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

docs: $(INSTALLED) ## the site of the documents, in site/; a dead link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(INSTALLED) ## speed and memory; nothing of it is a test
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean: ## remove the environment and the demo
	rm -rf $(VENV) node_modules $(DEMO)
