"""Runs the cells of a notebook in order, as a kernel does: in one namespace, on one event loop, with `await` outside of
functions. Prints what each code cell has written and its value, as JSON: `python notebook.py PATH`.

docs/decisions/0049-notebook-without-a-kernel.md says why no kernel does it.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import json
import sys
import types
from pathlib import Path
from typing import Any


def code_cells(path: Path) -> list[dict[str, Any]]:
    """The cells with code."""
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def source(cell: dict[str, Any]) -> str:
    """The code of a cell."""
    return "".join(cell["source"])


def outputs(cell: dict[str, Any]) -> dict[str, str]:
    """What the notebook shows below a cell: what it has written, and its value."""
    texts = {"stdout": "", "value": ""}
    for one in cell["outputs"]:
        if one["output_type"] == "stream":
            texts[one["name"]] += "".join(one["text"])
        else:
            texts["value"] = "".join(one["data"]["text/plain"])
    return texts


def program(path: Path) -> str:
    """The notebook as one function, for type checkers."""
    lines = [f"    {line}".rstrip() for cell in code_cells(path) for line in source(cell).splitlines()]
    return "\n".join(["async def notebook() -> None:", *lines, ""])


async def run(path: Path) -> list[dict[str, str]]:
    """Runs all cells, and returns what each has written, and its value."""
    main = types.ModuleType("__main__")
    shown = []
    for cell in code_cells(path):
        tree = ast.parse(source(cell))
        last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None  # type: ignore[attr-defined]
        value = None
        with contextlib.redirect_stdout(io.StringIO()) as written:
            for part, mode in ((tree, "exec"), (last, "eval")):
                if part is not None:
                    code = compile(part, path.name, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                    value = eval(code, vars(main))
                    if code.co_flags & inspect.CO_COROUTINE:
                        value = await value
        shown.append({"stdout": written.getvalue(), "value": "" if value is None else repr(value)})
    return shown


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(Path(sys.argv[1])))))
