"""Writes options into the docstrings of the functions that take them: `python python/options.py` writes, `--check`
compares.

An option is described once, by the ``#:`` comment of its line in a ``TypedDict``, and so is a field of a model. IDEs and
`help()` show docstrings but not such comments. So every function with ``**options: Unpack[…]`` lists the options under
``Args:``, unless its docstring has an entry ``options:`` that refers to another place; and so does every model.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parent / "omniq"
WIDTH = 120

#: What has a docstring with options.
Taker = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Option(NamedTuple):
    """One line of a ``TypedDict``, or one field of a model."""

    name: str
    type: str
    text: str

    def entry(self, indent: str) -> list[str]:
        """Its lines under ``Args:``."""
        return textwrap.wrap(
            f"{self.name} ({self.type}): {self.text}",
            WIDTH,
            initial_indent=indent,
            subsequent_indent=f"{indent}    ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def options_of(sources: list[str]) -> dict[str, list[Option]]:
    """The options by the name of their ``TypedDict`` or model, those of its base classes first."""
    found: dict[str, list[Option]] = {"TypedDict": [], "Model": []}
    for source in sources:
        lines = source.split("\n")
        for node in ast.parse(source).body:
            if not isinstance(node, ast.ClassDef) or not node.bases:
                continue
            bases = [base for base in map(ast.unparse, node.bases) if base in found]
            if bases:
                inherited = [option for base in bases for option in found[base]]
                found[node.name] = inherited + [_option(one, lines) for one in _fields(node)]
    return found


def _fields(node: ast.ClassDef) -> list[ast.AnnAssign]:
    fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
    return [one for one in fields if not ast.unparse(one.target).startswith("_")]


def _option(node: ast.AnnAssign, lines: list[str]) -> Option:
    first = node.lineno - 1
    while lines[first - 1].strip().startswith("#:"):
        first -= 1
    text = " ".join(line.strip().removeprefix("#:").strip() for line in lines[first : node.lineno - 1])
    name = ast.unparse(node.target)
    if not text:
        raise ValueError(f"option {name} has no comment")
    if node.value is not None and "Default: " not in text:
        text += f" Default: ``{ast.unparse(node.value)}``."
    return Option(name, ast.unparse(node.annotation), text)


def documented(source: str, options: dict[str, list[Option]]) -> str:
    """The source with its options in the docstrings."""
    lines = source.split("\n")
    takers = [node for node in ast.walk(ast.parse(source)) if isinstance(node, Taker)]
    # From the end, so that the numbers of earlier lines stay.
    for node in sorted(takers, key=lambda node: -node.body[0].lineno):
        name, own = _taken(node)
        if name not in options or ast.get_docstring(node) is None:
            continue
        docstring = node.body[0]
        first, last = docstring.lineno - 1, docstring.end_lineno or docstring.lineno
        lines[first:last] = with_entries(lines[first:last], own, options[name])
    return "\n".join(lines)


def _taken(node: Taker) -> tuple[str | None, set[str]]:
    """The name of the options that it takes, and its own parameters."""
    if isinstance(node, ast.ClassDef):
        is_model = any(keyword.arg == "frozen" for keyword in node.keywords)
        return (node.name if is_model and _fields(node) else None), set()
    kwarg = node.args.kwarg
    name = re.fullmatch(r"Unpack\[(\w+)\]", ast.unparse(kwarg.annotation)) if kwarg and kwarg.annotation else None
    own = {arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    return name and name[1], own


def with_entries(docstring: list[str], own: set[str], options: list[Option]) -> list[str]:
    """The lines of a docstring with an entry for each option after the entries of the function's own parameters."""
    indent = docstring[0][: len(docstring[0]) - len(docstring[0].lstrip())]
    lines = "\n".join(docstring).rstrip().removesuffix('"""').rstrip().split("\n")
    if f"{indent}Args:" not in lines:
        sections = [place for place, line in enumerate(lines) if line in (f"{indent}Returns:", f"{indent}Raises:")]
        place = sections[0] if sections else len(lines)
        lines[place:place] = [f"{indent}Args:", ""] if sections else ["", f"{indent}Args:"]
    begin = lines.index(f"{indent}Args:") + 1
    end = begin
    while end < len(lines) and lines[end].startswith(f"{indent}    "):
        end += 1
    kept: list[str] = []
    is_kept = False
    for line in lines[begin:end]:
        entry = re.match(rf"{indent}    (\w+)[ :]", line)
        if entry is not None:
            if entry[1] == "options":
                return docstring
            is_kept = entry[1] in own
        if is_kept:
            kept.append(line)
    entries = [line for option in options for line in option.entry(f"{indent}    ")]
    return [*lines[:begin], *kept, *entries, *lines[end:], f'{indent}"""']


def main() -> int:
    stale = []
    paths = sorted(PACKAGE.rglob("*.py"))
    options = options_of([path.read_text() for path in paths])
    for path in paths:
        source = path.read_text()
        made = documented(source, options)
        if made != source:
            stale.append(str(path.relative_to(PACKAGE)))
            if "--check" not in sys.argv:
                path.write_text(made)
    if "--check" in sys.argv and stale:
        print(f"stale, run python python/options.py: {', '.join(stale)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
