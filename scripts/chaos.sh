#!/usr/bin/env bash
# Chaos: builds what it needs, then runs it. See docs/chaos.md.
#   scripts/chaos.sh SEED[,SEED…] MINUTES [OPTION…]   one run for each seed; ends at the first that breaks a promise
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

seeds=${1:-1} minutes=${2:-2}
shift $(($# < 2 ? $# : 2))
# Set by scripts/test.sh, where everything is built already.
[[ -n ${OMNIQ_TEST_CHAOS_BUILT:-} ]] || scripts/python.sh wheel
for seed in ${seeds//,/ }; do
  "$target/debug/omniq-chaos" --seed "$seed" --minutes "$minutes" --python .venv/bin/python "$@"
done
