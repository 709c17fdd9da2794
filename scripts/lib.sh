# What the scripts share: one line per part of the work, with its time.

# part TITLE COMMAND…: says what begins, runs it, says how long it took.
part() {
  local title=$1 started=$SECONDS
  shift
  printf '\n── %s\n' "$title"
  "$@"
  printf '── %s: done in %s s\n' "$title" "$((SECONDS - started))"
}
