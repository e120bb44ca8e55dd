# Everything a contributor needs. `make help` lists it.

CARGO ?= cargo

# What goes into the image, and where it is laid out. Tests use a build without optimisation, in a folder of its own.
IMAGE_ROOT ?= target/image-root
IMAGE_PROFILE ?= release
CA_CERTIFICATES ?= /etc/ssl/certs/ca-certificates.crt
TEST_IMAGE = IMAGE_ROOT=target/image-root-dev IMAGE_PROFILE=dev

.DEFAULT_GOAL := help
.PHONY: help demo test simulate lint generate manifests check-generated bench image-root

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## One verification from YAML to verdict, on this machine; KEEP=1 leaves it running to try things
	@$(CARGO) build --locked --features dev
	@$(CARGO) run --quiet --locked --features dev -- demo

test: ## All tests, against a real API server
	$(CARGO) check --locked --no-default-features --features api
	$(CARGO) check --locked --no-default-features --features client
	if [ "$$(uname -s)" = Linux ]; then $(MAKE) --no-print-directory image-root $(TEST_IMAGE); fi
	$(CARGO) test --locked --features dev

simulate: ## More lives than the tests live: SEEDS=12345 replays one, step by step, SEEDS=0..1000000 lives so many
	@SEEDS="$${SEEDS:-100000..300000}" $(CARGO) test --locked --features dev --test convergence -- --nocapture whatever_happens

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
	git diff --exit-code -- crds charts install.yaml README.md docs

bench: ## How long a token takes, and what the operator weighs
	$(CARGO) bench --locked --features dev

# Linked with the C library in it, so that the image needs none. Such a binary finds no system call by its name at run time, so it is
# told to ask the kernel for random numbers and not to look for devices. The Dockerfile runs this too.
STATIC = -C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"

image-root: ## The image's files in target/image-root: one static binary, and the certificates it trusts
	@[ "$$(uname -s)" = Linux ] || { echo "error: image-root needs Linux: the image's binary is built for the machine it is built on" >&2; exit 1; }
	@[ -s "$(CA_CERTIFICATES)" ] || { \
		echo "error: no certificates in $(CA_CERTIFICATES): install ca-certificates, or set CA_CERTIFICATES to a PEM file" >&2; exit 1; }
	@set -eu; \
	host=$$(rustc -vV | sed -n 's/^host: //p'); \
	folder=$$(if [ "$(IMAGE_PROFILE)" = dev ]; then echo debug; else echo "$(IMAGE_PROFILE)"; fi); \
	RUSTFLAGS='$(STATIC)' $(CARGO) build --locked --profile "$(IMAGE_PROFILE)" --bin onfido-operator \
		--target "$$host" --target-dir target/image; \
	install -D -m 755 "target/image/$$host/$$folder/onfido-operator" "$(IMAGE_ROOT)/onfido-operator"; \
	install -D -m 644 "$(CA_CERTIFICATES)" "$(IMAGE_ROOT)/etc/ssl/certs/ca-certificates.crt"; \
	files=$$(find "$(IMAGE_ROOT)" ! -type d | wc -l); \
	[ "$$files" -eq 2 ] || { echo "error: $(IMAGE_ROOT) holds other files too: remove it" >&2; exit 1; }
