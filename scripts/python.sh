#!/usr/bin/env bash
# The Python package: what it needs goes into .venv, then what is asked for is built.
#   scripts/python.sh dev       build for the source tree: .venv imports python/omniq as it stands
#   scripts/python.sh release   build the wheel to be published, into target/wheels
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

tools() {
  [[ -x .venv/bin/python ]] || python3 -m venv .venv
  local wanted
  wanted=$(sha256sum python/requirements.txt)
  if [[ $(cat .venv/python-tools 2>/dev/null) != "$wanted" ]]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r python/requirements.txt
    echo "$wanted" >.venv/python-tools
  fi
}

dev() {
  cargo build -p omniq-python
  cp --force target/debug/lib_omniq.so python/omniq/_omniq.abi3.so
  echo "$PWD/python" >"$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/omniq-dev.pth"
}

release() {
  PATH=$PWD/.venv/bin:$PATH .venv/bin/maturin build --release --zig --compatibility manylinux2014 --out target/wheels
}

part "Tools in .venv" tools
case ${1:-dev} in
  dev) part "Python module" dev ;;
  release) part "Wheel" release ;;
  *) sed -n '2,4p' "$0" >&2; exit 2 ;;
esac
