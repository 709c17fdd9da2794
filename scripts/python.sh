#!/usr/bin/env bash
# The Python package: installs what it needs in .venv, then does the given part.
#   scripts/python.sh tools     nothing more
#   scripts/python.sh dev       build for the source tree: .venv imports python/omniq as it stands
#   scripts/python.sh test      build a wheel from the tests' own build, install it in .venv, run all Python tests and checks
#   scripts/python.sh wheel     the same without tests and checks, for `make chaos`
#   scripts/python.sh installed the tests alone, on the wheel that is there
#   scripts/python.sh only NAME build the wheel, and run the tests whose names contain NAME
#   scripts/python.sh checks    the checks alone: formatting, lints, types
#   scripts/python.sh demo      build the command and the wheel for `make demo`, and install the wheel in .venv
#   scripts/python.sh release   build the wheel to be published, into the folder wheels of cargo's target folder
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
python=$PWD/.venv/bin/python

have_tools() {
  [[ $(cat .venv/python-tools 2>/dev/null) == "$(sha256sum <python/requirements.txt)" ]]
}

tools() {
  [[ -x $python ]] || python3 -m venv .venv
  if ! have_tools; then
    "$python" -m pip install --quiet --disable-pip-version-check -r python/requirements.txt
    sha256sum <python/requirements.txt >.venv/python-tools
  fi
}

site() {
  "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
}

dev() {
  rm -f .venv/omniq-wheel
  cargo build -p omniq-python
  cp --force "$target/debug/lib_omniq.so" python/omniq/_omniq.abi3.so
  "$python" -m pip uninstall --quiet --yes omniq-pg 2>/dev/null
  echo "$PWD/python" >"$(site)/omniq-dev.pth"
}

# The wheel is packed from the build that the Rust tests share.
wheel() {
  build
  install_wheel debug
}

# Builds the command and the module together. The wheel in .venv is kept if nothing has changed.
demo() {
  cargo build --release -p omniq-cli -p omniq-python
  if [[ $(cat .venv/omniq-wheel 2>/dev/null) == release ]] &&
    [[ -z $(find python/omniq "$target/release/lib_omniq.so" -newer .venv/omniq-wheel -name '*.*') ]]; then return; fi
  if ! "$python" -c 'import maturin, msgspec, wheel' 2>/dev/null; then
    grep -E '^(maturin|msgspec|wheel)==' python/requirements.txt |
      "$python" -m pip install --quiet --disable-pip-version-check -r /dev/stdin
  fi
  install_wheel release
}

# install_wheel PROFILE: packs the wheel from the built module, and installs it in .venv.
install_wheel() {
  local profile=$1 folder=$target/wheels/$1
  rm -f .venv/omniq-wheel
  rm -rf "$folder"
  mkdir -p "$folder/content"
  # maturin prints messages even on success, so its output goes to a file.
  PATH=$PWD/.venv/bin:$PATH .venv/bin/maturin pep517 write-dist-info --metadata-directory "$folder/content" \
    --interpreter "$python" --compatibility linux >"$folder/maturin.log" 2>&1 || { cat "$folder/maturin.log" >&2; return 1; }
  tar -C python --exclude='*.so' --exclude=__pycache__ -cf - omniq | tar -C "$folder/content" -xf -
  cp "$target/$profile/lib_omniq.so" "$folder/content/omniq/_omniq.abi3.so"
  "$python" -m wheel pack --dest-dir "$folder" "$folder/content" >/dev/null
  rm -f "$(site)/omniq-dev.pth"
  "$python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$folder"/*.whl
  echo "$profile" >.venv/omniq-wheel
}

checks() {
  .venv/bin/ruff check python examples benches crates scripts
  .venv/bin/ruff format --check python examples benches crates scripts
  .venv/bin/mypy python/omniq python/twins.py python/options.py python/benches
  MYPYPATH=python .venv/bin/mypy crates/omniq-chaos/src/actor/worker.py
  MYPYPATH=python:python/tests:python/tests/app .venv/bin/mypy python/tests
  local example
  for example in examples/python/*/; do
    # A test checks the notebook.
    [[ -z $(find "$example" -name '*.py' -print -quit) ]] || MYPYPATH=python:$example .venv/bin/mypy "$example"
  done
}

# run [NAME]: all tests, or those whose names contain NAME.
run() {
  local wheel chosen=()
  wheel=$(ls "$target"/wheels/debug/*.whl)
  [[ -z ${1:-} ]] || chosen=(-k "$1")
  OMNIQ_TEST_WHEEL=$wheel "$python" -m pytest -n 6 --quiet "${chosen[@]}" python/tests
}

release() {
  PATH=$PWD/.venv/bin:$PATH .venv/bin/maturin build --release --zig --compatibility manylinux2014 --out "$target/wheels"
}

if [[ ${1:-dev} == demo ]]; then
  demo
  exit
fi
part "Python tools in .venv" tools
case ${1:-dev} in
  tools) ;;
  dev) part "Python module" dev ;;
  wheel) part "Python wheel" wheel ;;
  test)
    part "Python wheel" wheel
    part "Python checks" checks
    part "Python tests" run
    ;;
  installed) part "Python tests" run ;;
  only)
    part "Python wheel" wheel
    part "Python tests" run "${2:-}"
    ;;
  checks) part "Python checks" checks ;;
  release) part "Python wheel for release" release ;;
  *)
    sed -n '3,11p' "$0" >&2
    exit 2
    ;;
esac
