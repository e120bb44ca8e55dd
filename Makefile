# Everything a contributor needs. `make help` lists it.

CARGO ?= cargo
KINDS := onfidoproviders identityverifications

.DEFAULT_GOAL := help
.PHONY: help demo test lint generate check-generated

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## One verification from YAML to verdict, on this machine; KEEP=1 leaves it running to try things
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

generate: ## Write crds/*.yaml from the Rust types
	$(CARGO) build --locked --features dev
	@mkdir -p crds
	@for kind in $(KINDS); do \
		$(CARGO) run --quiet --locked --features dev -- crds $$kind > crds/.$$kind && mv crds/.$$kind crds/$$kind.yaml || { rm -f crds/.$$kind; exit 1; }; \
	done

check-generated: ## Fail if crds/*.yaml is not what the Rust types say
	$(CARGO) build --locked --features dev
	@for kind in $(KINDS); do \
		$(CARGO) run --quiet --locked --features dev -- crds $$kind | diff -u crds/$$kind.yaml - || { echo "crds/$$kind.yaml is not current: run make generate"; exit 1; }; \
	done
	@echo "generated files are current"
