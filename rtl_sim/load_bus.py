"""Drives a block's load bus, as the load port would."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
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


async def alternate_banks(dut: Any, region: Region, words: Sequence[Sequence[int]]) -> None:
    """Loads the second bank of `region` and chooses it, then the first, and so on until it is cancelled. Like the load port it
    begins when the last choice is in use, and words come with pauses. words: of the first bank, of the second."""
    assert region.bank is not None
    for bank in cycle((1, 0)):
        while not int(dut.settled.value) >> region.bank & 1:
            await RisingEdge(dut.clk)
        for address, word in enumerate(words[bank]):
            dut.bus__region.value, dut.bus__address.value = region.index, address + bank * region.depth
            dut.bus__data.value, dut.bus__strobe.value = word, 1
            await RisingEdge(dut.clk)
            dut.bus__strobe.value = 0
            for _ in range(address % 3):
                await RisingEdge(dut.clk)
        dut.bus__bank.value = bank << region.bank
        await RisingEdge(dut.clk)
