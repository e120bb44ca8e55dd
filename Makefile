# Everything a contributor needs. `make help` lists it.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help demo test lint generate check-generated bench

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

generate: ## Write what is made from the code: crds/*.yaml, and what the README quotes
	$(CARGO) run --quiet --locked --features dev -- generate

check-generated: generate ## Fail if a generated file is not what the code says
	git diff --exit-code -- crds README.md

bench: ## How long a token takes, and what the operator weighs
	$(CARGO) bench --locked --features dev
