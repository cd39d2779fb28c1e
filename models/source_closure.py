"""Digest of a module's program and of everything of ours that it imports: what its results may depend on.

Comments, docstrings and layout do not count.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = ("designs", "models", "quant")


@cache
def closure_digest(module: str) -> str:
    """sha256 over `module` and every module of ours that it imports, directly or not."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or (path := _path(name)) is None:
            continue
        seen.add(name)
        waiting += _imported(path)
    found = hashlib.sha256()
    for name in sorted(seen):
        path = _path(name)
        found.update(f"{name} {_program(path) if path else ''} ".encode())
    return found.hexdigest()


def _path(name: str) -> Path | None:
    if name.partition(".")[0] not in OURS:
        return None
    path = ROOT / name.replace(".", "/")
    return next((found for found in (path.with_suffix(".py"), path / "__init__.py") if found.is_file()), None)


def _program(path: Path) -> str:
    """The syntax tree without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [each for each in node.body if not _is_text(each)]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imported(path: Path) -> list[str]:
    """Names of all modules that the file may import; `from package import module` counts as both."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
    return names
