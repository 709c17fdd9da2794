# What the scripts share.

# Where cargo builds.
target=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")

# part TITLE COMMAND…: prints the title, runs the command, prints how long it took.
part() {
  local title=$1 started=$SECONDS
  shift
  printf '\n── %s\n' "$title"
  "$@"
  printf '── %s: done in %s s\n' "$title" "$((SECONDS - started))"
}

# Where the tests of this checkout keep their servers; `omniq-testkit` uses the same rule.
test_base() {
  echo "${TMPDIR:-/tmp}/omniq-test-${USER:-root}${PWD//\//_}"
}

# Libraries, programs and the Python module. Packages and features are the same as for the tests, and the examples are
# included for what they depend on; otherwise all would be built twice.
build() {
  cargo build --workspace --all-features --lib --bins --examples
}
