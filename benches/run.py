#!/usr/bin/env python3
"""Measures OmniQ and its peers on a private server and writes docs/benchmarks. `--help` names the options.

Needs Python 3.11 and only its standard library. peers/install.sh installs the peers.
"""

import argparse
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import about, report
from harness.bench import Bench
from harness.measure import NOISY
from harness.programs import PYTHON, catalogue
from harness.server import BENCHES, ROOT
from harness.workloads import FULL, QUICK, WORKLOADS
from harness.yardstick import yardstick

RETRIES = 2


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "settings", nargs="*", metavar="KEY=VALUE", help="settings laid over those of peers.toml, for trials"
    )
    parser.add_argument("--full", action="store_true", help="all workloads (but backlog-10m) and all peers")
    parser.add_argument("--peers", help="queues to measure, with commas between (default: those marked fast)")
    parser.add_argument("--workloads", help=f"of {', '.join(WORKLOADS)}; with commas between")
    parser.add_argument("--reps", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of tasks, for a smoke run")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of the timed workloads (default 5)")
    parser.add_argument(
        "--patience", type=int, default=30, help="half seconds to wait for a quiet machine (default 30)"
    )
    parser.add_argument("--work", default=str(BENCHES / "work"), help="folder for the server and the records")
    parser.add_argument("--docs", default=str(ROOT / "docs/benchmarks"), help="where the report goes")
    parser.add_argument("--append", action="store_true", help="add to the records of the run before")
    parser.add_argument("--report", action="store_true", help="only write the report again, from the last records")
    return parser.parse_args()


def chosen(given, known, otherwise):
    names = given.split(",") if given else list(otherwise)
    for name in names:
        if name not in known:
            raise SystemExit(f"{name} is not one of {', '.join(known)}")
    return names


def measure(options, raw):
    known = catalogue()
    names = chosen(
        options.peers, known, (name for name, peer in known.items() if peer.fast or peer.language or options.full)
    )
    workloads = chosen(options.workloads, WORKLOADS, FULL if options.full else QUICK)
    peers = []
    for name in names:
        if why := known[name].missing():
            print(f"{name} is left out: {why}")
        else:
            peers.append(known[name])
    overrides = dict(pair.split("=", 1) for pair in options.settings)
    if not options.append:
        raw.unlink(missing_ok=True)
    bench = Bench(options.work, raw, options.scale, options.seconds, options.patience, overrides)
    try:
        about.write(raw, bench.server.version, sys.argv[1:])
        for workload in workloads:
            # Python peers are slow, so a plain run measures them only in the Python part.
            every = options.full or options.peers or workload.startswith(PYTHON)
            turns(
                options.reps, workload, bench, [peer for peer in peers if peer.takes(workload) and (every or peer.fast)]
            )
    finally:
        bench.close()


def turns(reps, workload, bench, peers):
    """Measures all peers in turn, so that a slow minute affects all. Disturbed peers get up to two more turns."""
    quiet = dict.fromkeys(peers, 0)
    for turn in range(reps + RETRIES):
        due = [peer for peer in peers if turn < reps or quiet[peer] < reps]
        if workload == "single" and due:
            one(lambda bench, _: yardstick(bench), bench, due[0], "yardstick")
        for peer in due:
            bench.others = 0.0
            one(WORKLOADS[workload], bench, peer, workload)
            quiet[peer] += bench.others <= NOISY


def one(function, bench, peer, workload):
    """Measures one queue. If it fails, the error is printed, and the others are still measured."""
    try:
        function(bench, peer)
    except Exception as error:
        print(f"{workload}: {peer.name}: failed: {error}", file=sys.stderr, flush=True)
        if not isinstance(error, RuntimeError):
            traceback.print_exc()


def main():
    options = arguments()
    work = Path(options.work)
    work.mkdir(parents=True, exist_ok=True)
    raw = work / "records.jsonl"
    if not options.report:
        measure(options, raw)
    report.write(raw, options.docs, about.text(raw))
    print(f"written: {options.docs}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        # scripts/contain.py ends the processes that still run.
        sys.exit("interrupted")
