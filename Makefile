# The way in: `make help` lists the targets. Each does its own set-up, so that a fresh clone needs Rust and nothing else.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
SETUP := bash tests/services/setup.sh

.PHONY: help build demo test bench fuzz deps setup recording captures

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: setup ## the program: target/release/meshtop (several minutes the first time, on two cores)
	@[ -x target/release/meshtop ] || echo "building meshtop and its dependencies: several minutes on two cores"
	cargo build --release --locked

demo: build ## the TUI on a bundled recording of a real mesh, played again over real loopback sockets
	target/release/meshtop demo

setup: ## what building needs: a C compiler, libpcap's headers
	@$(SETUP) build

deps: setup ## what testing needs as well: tcpdump, nginx, wrk, curl, node, Python, and packages for the two under target/services
	@$(SETUP) test

test: deps ## everything that has to hold: format, lints, docs, no-default-features, all tests (10 to 35 minutes the first time, on two cores)
	@[ -d target/debug/deps ] || echo "building everything twice, for lints and for tests: several minutes on two cores"
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features --lib --bins -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --lib
	cargo test --locked --lib --bins --tests

bench: deps ## the figures: reading beside tcpdump (and tshark, where it is), a live watch beside tcpdump, the screen, names, what is tied and what that costs (needs the right to capture; about 10 minutes beside building)
	cargo bench --locked

SECONDS ?= 60
fuzz: setup ## hostile input by the million, SECONDS (60) a target, what changed last first (needs a C++ compiler, which it installs)
	@$(SETUP) fuzz
	bash tests/fuzz/run.sh $(SECONDS)

recording: deps ## makes assets/demo.pcapng anew, from real services (needs the right to capture)
	bash tests/services/record-demo.sh assets/demo.pcapng

captures: deps ## makes the inputs under tests/captures anew, from real tools (needs the right to capture)
	bash tests/services/captures/make.sh
