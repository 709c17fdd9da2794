#!/usr/bin/env bash
# Stops the servers that the tests started, and removes their data. Each server is identified by its data folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh
base=$(test_base)
for folder in "$base"/pg-*; do
  [[ -f $folder/data/postmaster.pid ]] || continue
  pid=$(head -n 1 "$folder/data/postmaster.pid")
  # Only a process with this folder in its arguments is a test server.
  if { tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qF "$folder"; } 2>/dev/null; then
    kill -INT "$pid"
    for _ in $(seq 100); do [[ -e /proc/$pid ]] || break; sleep 0.05; done
  fi
done
rm -rf "$base"
