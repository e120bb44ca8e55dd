# Everything a contributor needs. `make help` lists it.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help demo test lint generate manifests check-generated bench

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## One verification from YAML to verdict, on this machine; KEEP=1 leaves it running to try things
	@$(CARGO) build --locked --features dev
	@$(CARGO) run --quiet --locked --features dev -- demo

test: ## All tests, against a real API server
	$(CARGO) check --locked --no-default-features --features api
	$(CARGO) check --locked --no-default-features --features client
	$(CARGO) test --locked --features dev

lint: ## Formatting, and clippy with warnings denied
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --no-default-features --features api -- -D warnings
	$(CARGO) clippy --locked --no-default-features --features client -- -D warnings
	$(CARGO) clippy --locked --all-targets --features dev -- -D warnings

generate: ## Write what is made from the code: crds/*.yaml, the chart's copies, and what the READMEs quote
	$(CARGO) run --quiet --locked --features dev -- generate

manifests: generate ## Write install.yaml, the chart with its defaults; builds helm the first time, which takes minutes
	$(CARGO) run --quiet --locked --features dev -- manifests

check-generated: manifests ## Fail if a generated file is not what the code says
	git diff --exit-code -- crds charts install.yaml README.md

bench: ## How long a token takes, and what the operator weighs
	$(CARGO) bench --locked --features dev
