"""No module of the package imports one that imports it, directly or by way of others."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "omniq"


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


#: The modules with their files; that of the Rust side has none.
MODULES: dict[str, Path | None] = {name_of(path): path for path in PACKAGE.rglob("*.py")} | {"omniq._omniq": None}


def statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports of a module, those within functions too. Those for type checkers alone do not count."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for other in child.orelse:
                yield from statements(other)
        else:
            yield from statements(child)


def named(statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The modules of the package that a statement names."""
    if isinstance(statement, ast.Import):
        full = [alias.name for alias in statement.names]
    else:
        assert statement.level == 0, "imports name the whole module"
        full = [f"{statement.module}.{alias.name}" for alias in statement.names]
    for name in full:
        while name.startswith("omniq") and name not in MODULES:
            name = name.rpartition(".")[0]
        if name in MODULES:
            yield name


def imported(module: str, path: Path) -> set[str]:
    """The modules that run when this one is imported: those that it names, and the packages that these are in."""
    found = {name for statement in statements(ast.parse(path.read_text())) for name in named(statement)}
    parents = {name.rsplit(".", count)[0] for name in found for count in range(1, name.count(".") + 1)}
    # The packages that the module itself is in have begun to run already.
    return (found | {name for name in parents if not f"{module}.".startswith(f"{name}.")}) - {module}


def test_no_module_imports_one_that_imports_it() -> None:
    graph = {name: imported(name, path) for name, path in MODULES.items() if path is not None}
    assert "omniq.worker" in graph["omniq.app.application"], "imports are found"
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = " <- ".join(error.args[1])
        raise AssertionError(f"modules import each other: {circle}") from None


def test_the_worker_does_not_import_the_application() -> None:
    for name, path in MODULES.items():
        if path is not None and name.startswith("omniq.worker"):
            assert not {one for one in imported(name, path) if one.startswith("omniq.app")}, name
