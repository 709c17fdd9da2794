"""Makes the blocking twins from the async interfaces: `python python/twins.py` writes them, `--check` compares.

The async files are the only list of verbs. A twin has each verb under its plain name and, in one more line, as
``verb_sync``.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "omniq"
#: The generated files, with their sources.
TWINS = {
    "_generated/queue.py": "storage/base/queue.py",
    "_generated/worker_verbs.py": "storage/base/worker_verbs.py",
    "_generated/results.py": "storage/base/results.py",
    "_generated/events.py": "storage/base/events.py",
    "_generated/native_queue.py": "storage/native/queue.py",
    "_generated/native_results.py": "storage/native/results.py",
    "_generated/native_events.py": "storage/native/events.py",
    "_generated/native_schedules.py": "storage/native/schedules.py",
    "_generated/settling.py": "backend/settling.py",
    "_generated/backend.py": "backend/base.py",
}
#: The modules whose twins other twins import.
_IMPORTED = {
    "omniq.backend.settling": "omniq._generated.settling",
    "omniq.storage.base.worker_verbs": "omniq._generated.worker_verbs",
    "omniq.storage.native.queue": "omniq._generated.native_queue",
    "omniq.storage.native.results": "omniq._generated.native_results",
    "omniq.storage.native.events": "omniq._generated.native_events",
    "omniq.storage.native.schedules": "omniq._generated.native_schedules",
}


def twin_of(source: str, name: str) -> str:
    """The blocking form of an async module."""
    verbs = re.findall(r"^    async def ([a-z]\w*)\(", source, re.M)
    text = source.replace("await run(", "wait(").replace("import run\n", "import wait\n")
    text = text.replace("await await_runs(", "wait_for_runs(")
    text = text.replace("import await_runs, run\n", "import wait, wait_for_runs\n")
    # The functions of `omniq.transaction` have their blocking forms beside them.
    imported = re.search(r"^from omniq\.transaction import (.*)$", text, re.M)
    if imported is not None:
        for function in imported[1].split(", "):
            text = text.replace(f"await {function}(", f"{function}_sync(")
        names = re.sub(r"\w+", r"\g<0>_sync", imported[1])
        text = text.replace(imported[0], f"from omniq.transaction import {names}")
    text = text.replace("async def __aenter__", "def __enter__").replace("async def __aexit__", "def __exit__")
    text = text.replace("    async def ", "    def ").replace("await self.", "self.").replace("async for ", "for ")
    text = re.sub(r"for (\w+) in (\w+):\n +yield \1\n", r"yield from \2\n", text)
    text = re.sub(r"\bAsync([A-Z]\w+)", r"\1", text)
    text = re.sub(r"(custom\(self, )True", r"\1False", text)
    text = re.sub(
        r'\A"""(.*?), async\. .*?"""',
        rf'"""\1, blocking: made from `{name}` by `python/twins.py`. Do not edit it by hand."""',
        text,
        flags=re.S,
    )
    for module, twin in _IMPORTED.items():
        text = text.replace(f"from {module} import", f"from {twin} import")
    if "async " in text or "await " in text:
        raise ValueError(f"{name}: something async is left")
    return with_second_names(text, verbs)


def with_second_names(text: str, verbs: list[str]) -> str:
    """The source with a second name, ``verb_sync``, for each of these verbs."""
    lines = text.split("\n")
    classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    methods = [node for made in classes for node in made.body if isinstance(node, ast.FunctionDef)]
    for method in sorted(methods, key=lambda method: -method.lineno):
        if method.name in verbs:
            lines.insert(method.end_lineno or 0, f"\n    {method.name}_sync = {method.name}")
    return "\n".join(lines)


def ruff(command: str, text: str, name: str) -> str:
    """The output of a ruff command for this text."""
    called = [sys.executable, "-m", "ruff", *command.split(), "--stdin-filename", str(PACKAGE / name), "-"]
    return subprocess.run(called, input=text, capture_output=True, text=True, check=True).stdout


def main() -> int:
    stale = []
    for twin, origin in TWINS.items():
        made = twin_of((PACKAGE / origin).read_text(), Path(origin).name)
        formatted = ruff("format", ruff("check --fix --quiet", made, twin), twin)
        path = PACKAGE / twin
        if not path.exists() or path.read_text() != formatted:
            stale.append(twin)
            if "--check" not in sys.argv:
                path.write_text(formatted)
    if "--check" in sys.argv and stale:
        print(f"stale, run python python/twins.py: {', '.join(stale)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
