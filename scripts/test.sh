#!/usr/bin/env bash
# All checks and tests, the database tests on each installed PostgreSQL version. Servers are private, and stopped at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

# The distribution's newest server programs, and those of the Python package: two versions of PostgreSQL.
debian=$(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | sort -V | tail -n 1 || true)
package=$(ls -d .venv/lib/python*/site-packages/*/bin .venv/lib/python*/site-packages/*/*/bin 2>/dev/null |
  while read -r bin; do [[ -x $bin/postgres && -x $bin/initdb ]] && realpath "$bin"; done | head -n 1 || true)

# Thousands of databases are created and dropped. In memory, if there is room, that takes half the time.
room=$(df --output=avail --block-size=1G /dev/shm 2>/dev/null | tail -n 1 || true)
if ((${room:-0} >= 8)); then export TMPDIR=/dev/shm; fi

# Incremental builds make the second build faster and the first slower, so they are used only where they are used already.
# Debugging information makes a build longer, too; panics say where they are without it.
[[ -d $target/debug/incremental ]] || export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0

# The parallel processes, each in a process group of its own. They are ended at the exit, whatever the result of the tests.
beside=() said=()
tidy_up() {
  local group
  rm -rf "${said[@]}"
  for group in "${beside[@]}"; do kill -- "-$group" 2>/dev/null || true; done
  scripts/stop-test-servers.sh
}
trap tidy_up EXIT

# run_beside COMMAND…: starts the command in parallel, and stores its process id in `started`.
run_beside() {
  set -m
  "$@" &
  set +m
  started=$!
  beside+=("$started")
}

# wait_for ID: waits for a process and returns its status. Its id is then removed from `beside`, because it may belong
# to another process by the exit.
wait_for() {
  local id=$1 status=0 left=() group
  wait "$id" || status=$?
  for group in "${beside[@]}"; do [[ $group == "$id" ]] || left+=("$group"); done
  beside=("${left[@]}")
  return "$status"
}

# This mostly waits for the network, so it runs beside the build.
run_beside scripts/python.sh tools >/dev/null
tools=$started

part "Build" build
part "Test programs" cargo test --workspace --all-features --no-run

# The examples of README and guide run on a server, as they would for a reader.
examples() {
  local data
  data=$(test_base)/pg-examples
  "$target/debug/omniq" --quiet dev start --data "$data"
  OMNIQ_URL=$("$target/debug/omniq" dev url --data "$data") cargo test --workspace --all-features --doc --quiet
}
part "Examples in the documentation" examples

wait_for "$tools"
scripts/python.sh wheel

# Tests wait more than they compute. So the checks run in parallel on what is left of the machine. They use the same build
# folder, with what procedural macros and build scripts have in common, and lock it. So the tests get a list of what was built.
list=$(mktemp -d)
said+=("$list")
cargo nextest list --workspace --all-features --list-type binaries-only --message-format json >"$list/binaries.json"
cargo metadata --format-version 1 --all-features >"$list/metadata.json"
built=(--binaries-metadata "$list/binaries.json" --cargo-metadata "$list/metadata.json")
checked=$(mktemp)
said+=("$checked")
run_beside nice -n 19 bash -ec 'scripts/check.sh; scripts/python.sh checks' >"$checked" 2>&1
checks=$started

# see ID FILE: waits for a parallel process, and prints its output.
see() {
  local status=0
  wait_for "$1" || status=$?
  cat "$2"
  return "$status"
}

# Ten thousand histories of concurrent verbs, five thousand on each version.
if [[ -n $debian && -n $package ]]; then
  export OMNIQ_TEST_HISTORIES=5000
  # The suite of queues runs in six variants, half of them on each version.
  export OMNIQ_TEST_PG_BIN=$debian
  part "All tests on $("$debian/postgres" --version)" cargo nextest run "${built[@]}" \
    -E 'not test(/^(c05_crowded_queue|c05_unprepared_queue|c06_hostile_pooled)::/)'
  export OMNIQ_TEST_PG_BIN=$package OMNIQ_TEST_SEED=2
  # Repeats what depends on the server: results, events, rows, partitions, counts, plans.
  part "Database tests on $("$package/postgres" --version)" cargo nextest run "${built[@]}" \
    -E 'package(omniq-postgres) and not test(/^(c05_queue|c05_blocking_.*|c05_unprepared_(results|events)|c06_hostile|settings|tls)::/)'
else
  export OMNIQ_TEST_HISTORIES=10000 OMNIQ_TEST_PG_BIN=${debian:-$package}
  part "All tests on $("$OMNIQ_TEST_PG_BIN/postgres" --version)" cargo nextest run "${built[@]}"
fi

# The chaos runs wait for leases, locks and restarts more than they compute, and pass on a busy machine. So they run
# beside the Python tests, at lower priority.
troubles=()
for seed in 1 2; do
  said+=("$(mktemp)")
  run_beside env OMNIQ_TEST_CHAOS_BUILT=yes nice -n 10 scripts/chaos.sh "$seed" 1 >"${said[-1]}" 2>&1
  troubles+=("$started" "${said[-1]}")
done
scripts/python.sh installed
part "Chaos beside the tests, seed 1" see "${troubles[@]:0:2}"
part "Chaos beside the tests, seed 2" see "${troubles[@]:2:2}"
part "Checks beside the tests" see "$checks" "$checked"

echo
echo "All tests passed."
