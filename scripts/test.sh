#!/usr/bin/env bash
# All checks and tests, the database tests on each PostgreSQL version that is here. Servers are private, and stopped at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

# The distribution's newest server programs, and those of the Python package: two versions, as far apart as they are.
debian=$(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | sort -V | tail -n 1 || true)
package=$(ls -d .venv/lib/python*/site-packages/*/bin .venv/lib/python*/site-packages/*/*/bin 2>/dev/null |
  while read -r bin; do [[ -x $bin/postgres && -x $bin/initdb ]] && realpath "$bin"; done | head -n 1 || true)
trap scripts/stop-test-servers.sh EXIT

# Little but waiting for the network: beside the checks.
scripts/python.sh tools >/dev/null &
tools=$!

scripts/check.sh

# The examples of README and guide run on a server, as a reader's would.
examples() {
  cargo build --quiet -p omniq-cli
  local data
  data=$(test_base)/pg-examples
  target/debug/omniq --quiet dev start --data "$data"
  OMNIQ_URL=$(target/debug/omniq dev url --data "$data") cargo test \
    -p omniq-core -p omniq-embedded -p omniq-postgres -p omniq --all-features --doc --quiet
}
part "Examples in the documentation" examples

if [[ -n $debian ]]; then
  export OMNIQ_TEST_PG_BIN=$debian
  # The suite of queues runs in four ways: three of them on this version, the fourth on the other one.
  here=all\(\)
  [[ -z $package ]] || here='not test(/^c05_crowded/)'
  part "All tests on $("$debian/postgres" --version)" cargo nextest run --workspace --all-features -E "$here"
  if [[ -n $package ]]; then
    export OMNIQ_TEST_PG_BIN=$package
    # And once more what concerns the server: results, events, rows, partitions, counts, plans.
    part "Database tests on $("$package/postgres" --version)" cargo nextest run --workspace --all-features \
      -E 'package(omniq-postgres) and not test(/^c05_(blocking|unprepared|queue)/)'
  fi
else
  export OMNIQ_TEST_PG_BIN=$package
  part "All tests on $("$package/postgres" --version)" cargo nextest run --workspace --all-features
fi

wait "$tools"
scripts/python.sh test

echo
echo "All tests passed."
