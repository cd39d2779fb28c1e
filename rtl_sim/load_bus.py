"""Drives a block's load bus, as the load port would."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cocotb.triggers import RisingEdge

from hw.plan.memory import Region


async def load_regions(dut: Any, regions: Iterable[Region], words: Mapping[str, Sequence[int]]) -> None:
    """Every word of `regions`, one per cycle; `words`: by region name in address order (hw.plan.memory.load_words)."""
    for region in regions:
        for address, word in enumerate(words[region.name]):
            dut.bus__region.value, dut.bus__address.value, dut.bus__data.value = region.index, address, word
            dut.bus__strobe.value = 1
            await RisingEdge(dut.clk)
    dut.bus__strobe.value = 0
    await RisingEdge(dut.clk)
