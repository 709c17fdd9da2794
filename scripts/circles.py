#!/usr/bin/env python3
"""Finds circles among the source files of the Rust crates: circles.py [-v]

A file points to the files that define the names which it uses. A re-export is no use, and neither is `mod name;`. The
command line's table of commands is the one circle that is allowed. Exit status 1 if there is another; -v shows its arrows.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "crates"
# The table of commands names each command's arguments, and each command takes the options of the table.
ALLOWED = {("omniq-cli", "args")}
DEFINITION = r"\b(?:struct|enum|union|fn|trait|type|const|static|mod|macro_rules!)\s+(?:mut\s+)?{}\b"

Module = tuple[str, ...]


def expand(tree: str) -> list[str]:
    """The paths of a `use` tree: `a::{b, c as d}` gives `a::b` and `a::c`."""
    tree = re.sub(r"\s+as\s+\w+", "", tree.strip())
    match = re.fullmatch(r"([\w:]*?)(?:::)?\{(.*)\}", tree, re.DOTALL)
    if not match:
        return [tree] if tree else []
    prefix, inner = match.groups()
    parts, depth, part = [], 0, ""
    for char in inner:
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    paths = [path for part in [*parts, part] for path in expand(part)]
    return [f"{prefix}::{path}" if prefix else path for path in paths]


class Crate:
    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.texts: dict[Module, str] = {}
        source = folder / "src"
        for file in sorted(source.rglob("*.rs")):
            module = file.relative_to(source).with_suffix("").parts
            if "tests" in module:
                continue
            if module[-1] in ("mod", "lib", "main"):
                module = module[:-1]
            text = re.sub(r"//[^\n]*", "", file.read_text())
            self.texts[module] = text.split("#[cfg(test)]\nmod tests", 1)[0]

    def inside(self, base: Module, parts: list[str]) -> tuple[Module, list[str]]:
        """The deepest file on this path, and the rest of the path."""
        while parts and (*base, parts[0]) in self.texts:
            base, parts = (*base, parts[0]), parts[1:]
        return base, parts

    def start(self, module: Module, path: str) -> tuple[Module, list[str]] | None:
        """Where a path leads from this file; None if it leads out of the crate."""
        first, *rest = path.split("::")
        if first == "crate":
            return self.inside((), rest)
        if first == "self":
            return self.inside(module, rest)
        if first == "super":
            base, rest = module[:-1], list(rest)
            while rest and rest[0] == "super":
                base, rest = base[:-1], rest[1:]
            return self.inside(base, rest)
        return self.inside(module, [first, *rest]) if (*module, first) in self.texts else None

    def definer(self, module: Module, name: str, seen: frozenset[Module] = frozenset()) -> Module | None:
        """The file that defines this name, which may be re-exported here."""
        text = self.texts.get(module, "")
        if module in seen:
            return None
        if re.search(DEFINITION.format(re.escape(name)), text):
            return module
        for match in re.finditer(r"\bpub(?:\([\w: ]+\))?\s+use\s+([^;]+);", text):
            for path in expand(match.group(1)):
                last = path.rsplit("::", 1)[-1]
                found = self.start(module, path.removesuffix("::*")) if last in (name, "*") else None
                if found and (definer := self.definer(found[0], name, seen | {module})):
                    return definer
        return None

    def arrows(self, module: Module) -> set[Module]:
        text = self.texts[module]
        body = re.sub(r"\b(?:pub(?:\([\w: ]+\))?\s+)?use\s+[^;]+;", "", text)
        targets: set[Module] = set()
        modules: dict[str, Module] = {}
        for match in re.finditer(r"\b(pub(?:\([\w: ]+\))?\s+)?use\s+([^;]+);", text):
            for path in expand(match.group(2)):
                name = path.rsplit("::", 1)[-1]
                # A name that is only handed on is not used here.
                if match.group(1) and not re.search(rf"\b{re.escape(name)}\b", body):
                    continue
                found = self.start(module, path.removesuffix("::self"))
                if found and not found[1]:
                    modules[path.removesuffix("::self").rsplit("::", 1)[-1]] = found[0]
                elif found and found[1][0] != "*":
                    targets.add(self.definer(found[0], found[1][0]) or found[0])
        for path in re.findall(r"(?<![\w:])\w+(?:::\w+)+", body):
            first, rest = path.split("::", 1)
            known = modules.get(first)
            found = self.start(module, path) if known is None else self.inside(known, rest.split("::"))
            if found and found[1]:
                targets.add(self.definer(found[0], found[1][0]) or found[0])
        return targets - {module}

    def circles(self) -> list[list[Module]]:
        """Strongly connected components of more than one file (Tarjan, 1972)."""
        arrows = {module: self.arrows(module) for module in self.texts}
        index: dict[Module, int] = {}
        low: dict[Module, int] = {}
        stack: list[Module] = []
        found = []

        def visit(module: Module) -> None:
            index[module] = low[module] = len(index)
            stack.append(module)
            for target in arrows[module]:
                if target not in index:
                    visit(target)
                    low[module] = min(low[module], low[target])
                elif target in stack:
                    low[module] = min(low[module], index[target])
            if low[module] == index[module]:
                place = stack.index(module)
                circle = stack[place:]
                del stack[place:]
                if len(circle) > 1:
                    found.append(sorted(circle))

        for module in self.texts:
            if module not in index:
                visit(module)
        return found


def main() -> int:
    status = 0
    for folder in sorted(ROOT.iterdir()):
        # What a procedural macro writes stands in another crate.
        if not (folder / "src").is_dir() or "proc-macro = true" in (folder / "Cargo.toml").read_text():
            continue
        crate = Crate(folder)
        for circle in crate.circles():
            if any((crate.name, "/".join(module)) in ALLOWED for module in circle):
                continue
            status = 1
            print(f"{crate.name}: a circle of {len(circle)} files")
            for module in circle:
                if "-v" in sys.argv:
                    targets = sorted("/".join(target) or "lib" for target in crate.arrows(module) if target in circle)
                    print(f"  {'/'.join(module) or 'lib'} uses {', '.join(targets)}")
                else:
                    print(f"  {'/'.join(module) or 'lib'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
