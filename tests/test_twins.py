"""Every hardware block has its four files: golden model, RTL, testbench and datasheet."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = (
    "preprocess",
    "wavelet_bank",
    "magnitude",
    "pool",
    "requantize",
    "linear",
    "linear_attention",
    "residual",
    "feed_forward",
    "mean_pool",
    "argmax",
    "engine",
    "mac_array",
    "write_back",
    "ind",
)
COMPOSED = {
    "feed_forward": ("linear", "residual"),
    "engine": ("trace",),
    "mac_array": ("linear",),
    "write_back": ("requantize", "residual"),
    "ind": ("trace",),
}
"""Blocks whose golden twin is a composition: the modules it lies in."""


def names(folder: str, pattern: str) -> list[str]:
    return sorted(re.sub(r"^tb_", "", path.stem) for path in (ROOT / folder).glob(pattern))


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_has_its_four_files(block: str) -> None:
    golden = [f"quant/golden/{name}.py" for name in COMPOSED.get(block, (block,))]
    wanted = [*golden, f"hw/rtl/{block}.py", f"rtl_sim/tb_{block}.py", f"docs/blocks/{block}.md"]
    assert [path for path in wanted if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("block", names("rtl_sim", "tb_*.py"))
def test_a_testbench_has_its_block_and_datasheet(block: str) -> None:
    assert (ROOT / f"hw/rtl/{block}.py").is_file()
    assert (ROOT / f"docs/blocks/{block}.md").is_file()


@pytest.mark.parametrize("block", names("docs/blocks", "*.md"))
def test_a_datasheet_has_its_block(block: str) -> None:
    assert (ROOT / f"hw/rtl/{block}.py").is_file()


@pytest.mark.parametrize("path", sorted((ROOT / "hw/rtl").glob("*.py")), ids=lambda path: path.stem)
def test_a_golden_twin_that_is_named_exists(path: Path) -> None:
    for name in re.findall(r"Golden twins?:\s+(?:the order of\s+)?quant\.golden\.(\w+)", path.read_text()):
        assert (ROOT / f"quant/golden/{name}.py").is_file(), f"{path.name} names quant.golden.{name}"
