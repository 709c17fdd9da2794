#!/usr/bin/env bash
# Formatting, lints and documentation: the checks that run no test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

part "Formatting" cargo fmt --all --check
part "Circles" python3 scripts/circles.py
part "Lints" cargo clippy --workspace --all-targets --all-features -- -D warnings
RUSTDOCFLAGS="-D warnings" part "Documentation" cargo doc --workspace --all-features --no-deps
