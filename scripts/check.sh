#!/usr/bin/env bash
# Formatting, lints and documentation: the checks that run no test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

part "Formatting" cargo fmt --all --check
part "Circles" python3 scripts/circles.py
part "Lints" cargo clippy --workspace --all-targets --all-features -- -D warnings
# Of what users and contributors read: the other crates are programs and helpers of tests.
RUSTDOCFLAGS="-D warnings" part "Documentation" cargo doc --all-features --no-deps \
  -p omniq -p omniq-core -p omniq-postgres -p omniq-macros -p omniq-embedded -p omniq-cli
