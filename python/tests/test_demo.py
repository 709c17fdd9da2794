"""`omniq demo` of the wheel: workers in Rust and in Python on one queue, and the same answers from both."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from omniq import NewTask, PostgresBackend, TaskResult

#: Enough files that the workers in Rust are not done before Python has begun.
FILES = 4000


def demo(url: str, *args: object) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [sys.executable, "-m", "omniq", "demo", *map(str, args)],
        env={**os.environ, "OMNIQ_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return ran


def test_both_languages_share_the_work(url: str, tmp_path: Path) -> None:
    for number in range(FILES):
        (tmp_path / f"file {number}").write_text("the same\n" if number % 4 == 0 else f"{number}\n")
    ran = demo(url, "--json", "--workers", 1, "--concurrency", 1, tmp_path)
    assert "1 in Rust and 1 in Python" in ran.stderr
    report = json.loads(ran.stdout)
    assert (report["files"], report["lines"], report["failed"]) == (FILES, FILES, [])
    assert [len(group["files"]) for group in report["groups"]] == [FILES // 4]
    done_by = report["done_by"]
    assert set(done_by) == {"rust", "python"}
    assert sum(done_by.values()) == FILES
    with PostgresBackend(url, events="postgres") as backend:
        assert backend.queue.count() == 0
        # The report identifies the workers by these names.
        some = backend.results.list(func="hash_file", limit=FILES)
        assert sum((one.worker or "").startswith("python:") for one in some) == done_by["python"]


def test_the_report_names_both(url: str, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1\n")
    lines = demo(url, tmp_path).stdout.splitlines()
    figures = {line[:10].strip(): line[10:].split(maxsplit=1) for line in lines[: lines.index("")]}
    rust, python = figures["In Rust"], figures["In Python"]
    assert (rust[1], python[1]) == ("tasks, by 2 processes", "tasks, by 1 process")
    assert int(rust[0]) + int(python[0]) == 1
    assert any("omniq results list" in line and sys.executable not in line for line in lines), lines


def facts(path: bytes, result: TaskResult) -> dict[str, Any]:
    """The expected facts about a readable file, computed without the task."""
    data, status = Path(os.fsdecode(path)).read_bytes(), os.stat(path)
    name = json.loads(json.dumps(path.decode(errors="replace")))
    expected = {
        "path": name,
        "size": len(data),
        "lines": data.count(b"\n"),
        "sha256": hashlib.sha256(data).hexdigest(),
        "device": status.st_dev,
        "inode": status.st_ino,
    }
    return expected if name.encode() == path else {**expected, "bytes": list(path)}


def test_the_worker_in_python_answers_as_that_in_rust_does(url: str, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    good = {b"plain": b"a\nb", b"line\nbreak": b"", b"not\xff\xfetext": b"x\n", "übung".encode(): b"1\n" * 300_000}
    for name, data in good.items():
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(data)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("plain")
    with PostgresBackend(url) as backend:
        ids = {}
        for name in [*good, b"missing", b"pipe", b"link"]:
            path = folder + b"/" + name
            text = path.decode(errors="replace")
            file = {"path": text} if text.encode() == path else {"path": text, "bytes": list(path)}
            ids[path] = backend.queue.enqueue(NewTask("hash_file", file, queue="q"))
        worker = subprocess.Popen([sys.executable, "-m", "omniq.cli.demo"], stdin=subprocess.PIPE, text=True)
        assert worker.stdin is not None
        settings = backend.settings.to_dict()
        orders = {"settings": settings, "queue": "q", "concurrency": 2, "lease": 5, "grace": 10}
        worker.stdin.write(json.dumps(orders) + "\n")
        worker.stdin.flush()
        for path, id in ids.items():
            result = backend.wait(id, 20)
            if os.path.basename(path) in good:
                assert result.value == facts(path, result)
            else:
                assert result.error is not None
                assert path.decode() in result.error.message
                assert (result.status, result.attempt) == ("failed", 1), "no retry helps"
        # The worker stops at the end of its input.
        begun = time.monotonic()
        worker.stdin.close()
        assert worker.wait(20) == 0
        assert time.monotonic() - begun < 10
