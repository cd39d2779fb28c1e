"""Which of our source files a step's result depends on: the import closure of its modules, read without importing them."""

import ast
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from hw.flow.artifact import hash_path, hash_text
from hw.flow.tool import REPOSITORY

HOW_NOT_WHAT = frozenset({"hw.flow.step", "hw.flow.artifact", "hw.flow.runner", "hw.flow.sources", "hw.flow.display"})
"""Modules that decide how a step is run and shown, never what it makes."""
BY_VALUE = frozenset({"designs.catalogue"})
"""Modules whose imports count by value: the design that is built is part of a step's inputs, the other designs are not."""


def module_file(module: str, root: Path = REPOSITORY) -> Path | None:
    """The file of one of our modules; None for anything that is not ours."""
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def imports_of(module: str, root: Path = REPOSITORY) -> frozenset[str]:
    """Our modules that `module` imports anywhere in its text, late imports included."""
    path = module_file(module, root)
    if path is None:
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in names if module_file(name, root) is not None)


def import_closure(modules: Iterable[str], root: Path = REPOSITORY) -> tuple[str, ...]:
    """`modules` and all of ours that they need, sorted; what decides only how a step runs is left out."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found or module in HOW_NOT_WHAT:
            continue
        found.add(module)
        if module not in BY_VALUE:
            waiting.extend(imports_of(module, root))
    return tuple(sorted(found))


def _file_elsewhere(module: str) -> Path:
    """A step may be defined outside the tree: in somebody's own script or in a test."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None:
        raise ModuleNotFoundError(f"a step depends on module {module}, which does not exist")
    return Path(path)


@cache
def source_hash(modules: tuple[str, ...], scripts: tuple[str, ...], root: Path = REPOSITORY) -> str:
    """One hash for the text of the import closure of `modules` and of `scripts` (paths relative to `root`)."""
    rows = []
    for module in import_closure(modules, root):
        path = module_file(module, root) or _file_elsewhere(module)
        rows.append(f"{module} {hash_path(path)}")
    rows += [f"{script} {hash_path(root / script)}" for script in sorted(scripts)]
    return hash_text(rows)
