"""Imports run only to the left: each folder may read those before it in the flow, and never the reverse."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HARDWARE = (
    ("designs",),
    ("quant.golden",),
    ("hw.plan",),
    ("hw.rtl",),
    ("rtl_sim",),
    ("hw.reference", "hw.finn_flow", "hw.targets", "hw.power", "hw.report"),
    ("hw.flow",),
    ("hw.build", "hw.compare"),
)
LEARNING = (("designs",), ("models",), ("quant",))
BESIDE = {"quant": {"quant.golden"}}
"""What a folder may read besides those to its left: the exporter checks itself against the golden model."""
LAYERS = {name for rank in (*HARDWARE, *LEARNING) for name in rank} | {"hw"}
FRAMEWORKS = {"torch", "brevitas"}
FINN = {"finn"}


def layer_of(module: str) -> str | None:
    """The layer a module of ours belongs to: the longest name in the order that it starts with; None if it is not ours."""
    found = [name for name in LAYERS if module == name or module.startswith(f"{name}.")]
    return max(found, key=len, default=None)


def may_read(layer: str) -> set[str]:
    """Layers that `layer` may import from, itself and those of its own rank included."""
    found = {layer} | BESIDE.get(layer, set())
    for order in (HARDWARE, LEARNING):
        for place, rank in enumerate(order):
            if layer in rank:
                found.update(name for earlier in order[: place + 1] for name in earlier)
    return found


def imported(text: str) -> set[str]:
    """Every module that a source text imports, late imports included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that the order can be read off them"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def wrong_imports(layer: str, text: str) -> list[str]:
    """Imports in `text`, a module of `layer`, that the order forbids."""
    allowed = may_read(layer)
    found = []
    for name in sorted(imported(text)):
        other, package = layer_of(name), name.split(".")[0]
        in_hardware = any(layer in rank for rank in HARDWARE)
        if (
            (other is not None and other not in allowed)
            or (package in FRAMEWORKS and in_hardware and layer != "hw.finn_flow")
            or (package in FINN and layer != "hw.finn_flow")
            or package == "tests"
        ):
            found.append(name)
    return found


def sources() -> list[str]:
    return sorted(
        path.relative_to(ROOT).as_posix()
        for top in ("designs", "models", "quant", "hw", "rtl_sim")
        for path in (ROOT / top).rglob("*.py")
    )


@pytest.mark.parametrize("source", sources())
def test_imports_run_only_to_the_left(source: str) -> None:
    module = source.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    layer = layer_of(module)
    assert layer is not None
    assert wrong_imports(layer, (ROOT / source).read_text()) == []


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        ("hw.rtl", "from hw.flow.step import Step"),
        ("hw.rtl", "def late():\n    import rtl_sim.runner"),
        ("quant.golden", "import torch"),
        ("quant.golden", "from models.ind import Ind"),
        ("models", "from quant.quantizers import weight_quantizer"),
        ("models", "from hw.rtl import ind"),
        ("quant", "import hw.plan.folding"),
        ("hw.flow", "from torch import nn"),
        ("hw.targets", "from finn.util import settings"),
        ("hw.power", "from hw.build import main"),
        ("designs", "from quant.golden import trace"),
    ],
)
def test_an_import_to_the_right_is_found(layer: str, line: str) -> None:
    assert len(wrong_imports(layer, line)) == 1


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        ("hw.flow", "from hw.finn_flow.stitch import emit_finn"),
        ("hw.finn_flow", "import torch"),
        ("quant", "from quant.golden.trace import trace_tokens"),
        ("hw.power", "from hw.targets.process import Process"),
        ("rtl_sim", "from hw.rtl.ind import Ind"),
    ],
)
def test_an_import_to_the_left_passes(layer: str, line: str) -> None:
    assert wrong_imports(layer, line) == []
