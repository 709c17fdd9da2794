"""How a run was made: stored beside its records, and shown at the head of the report."""

import json
import os
import platform
import subprocess
import time
from pathlib import Path

from harness.server import ROOT, settings

NOTES = ROOT / "docs/benchmarks/notes.md"  # written by hand, kept when the report is written again


def _file(raw):
    return raw.with_suffix(".about.json")


def _processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _without_places(command):
    """The command without the folders of this machine."""
    places = [at for at, word in enumerate(command) if word in ("--work", "--docs")]
    return [word for at, word in enumerate(command) if at not in places and at - 1 not in places]


def write(raw, postgres, command):
    """Stores the machine, the versions and the command. A second run that appends adds its command."""
    earlier = json.loads(_file(raw).read_text())["commands"] if raw.exists() and _file(raw).exists() else []
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    said = {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "processor": f"{os.cpu_count()} processors ({_processor()}), {memory:.0f} GB of memory, {platform.system()}",
        "postgres": postgres,
        "commit": _commit(),
        "commands": [*earlier, " ".join(["benches/run.py", *_without_places(command)])],
    }
    _file(raw).write_text(json.dumps(said))


def text(raw):
    """The head of the report."""
    said = json.loads(_file(raw).read_text())
    conf = ", ".join(f"`{key} = {value}`" for key, value in settings().items())
    commands = "\n".join(f"    {command}" for command in said["commands"])
    notes = NOTES.read_text().strip() + "\n\n" if NOTES.exists() else ""
    return (
        f"{notes}Measured {said['date']} at commit {said['commit']} on {said['processor']}; server and clients share the\n"
        f"machine. PostgreSQL {said['postgres']}, one private server for all queues: {conf}; the rest as it comes.\n"
        "What each workload is stands in [benches/README.md](../../benches/README.md), each queue's settings in\n"
        "[benches/peers.toml](../../benches/peers.toml). Every row of [results.csv](results.csv) is a median. Made by\n\n"
        f"{commands}"
    )
