# What the scripts share: one line per part of the work, with its time.

# part TITLE COMMAND…: says what begins, runs it, says how long it took.
part() {
  local title=$1 started=$SECONDS
  shift
  printf '\n── %s\n' "$title"
  "$@"
  printf '── %s: done in %s s\n' "$title" "$((SECONDS - started))"
}

# Where the tests of this checkout keep their servers; `omniq-testkit` knows it by the same rule.
test_base() {
  echo "${TMPDIR:-/tmp}/omniq-test-${USER:-root}${PWD//\//_}"
}

# Libraries, programs and the Python module. The same packages and features as for the tests, the examples for the sake of what they
# depend on: or all would be built twice.
build() {
  cargo build --workspace --all-features --lib --bins --examples
}
