# The commands of the project. `make demo` and `make test` set up what they need by themselves.

SHELL := /bin/bash
DIR ?= /usr/share
SEED ?= 1
MINUTES ?= 2
export CARGO_TERM_QUIET ?= true

.PHONY: help demo test test-rust test-python check bench chaos clean

help:
	@echo "make demo [DIR=folder]  set up, then find the duplicate files below a folder (default /usr/share)"
	@echo "make test               set up, then run all checks and tests"
	@echo "make test-rust [TEST=name], make test-python [TEST=name]"
	@echo "                        set up, then run the tests of one language whose names contain this (default: all)"
	@echo "make check              formatting, lints and documentation alone"
	@echo "make bench [FULL=1]     measure OmniQ and its peers on a private server, write docs/benchmarks"
	@echo "make chaos [SEED=1] [MINUTES=2] [WITHOUT=parts]"
	@echo "                        break everything around a running queue, and check that all promises hold (docs/chaos.md)"
	@echo "make clean              stop the test servers and remove what was built"

demo:
	@scripts/setup.sh
	@echo "Building (a few minutes the first time)"
	@scripts/python.sh demo
	@"$${CARGO_TARGET_DIR:-target}/release/omniq" demo --python .venv/bin/python "$(DIR)"

test:
	@scripts/setup.sh
	@scripts/contain.py scripts/test.sh

test-rust:
	@scripts/setup.sh
	@scripts/contain.py cargo nextest run --workspace --all-features $(TEST)

test-python:
	@scripts/setup.sh
	@scripts/contain.py scripts/python.sh only $(TEST)

check:
	@scripts/setup.sh
	@scripts/check.sh

bench:
	@scripts/setup.sh
	@cargo build --release -p omniq-bench
	@scripts/python.sh release
	@scripts/contain.py benches/peers/install.sh $(if $(FULL),,rust python wheel)
	@scripts/contain.py python3 benches/run.py $(if $(FULL),--full)

chaos:
	@scripts/setup.sh
	@scripts/chaos.sh "$(SEED)" "$(MINUTES)" $(if $(WITHOUT),--without "$(WITHOUT)")

clean:
	@scripts/stop-test-servers.sh
	@cargo clean
