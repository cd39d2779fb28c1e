"""A regressor's output: every value as it came, the last of a decision marked, under every stall pattern."""

from dataclasses import replace

import cocotb

from designs.ind_tiny import IND_TINY
from designs.layer_table import linear_layer
from hw.rtl.value_frame import ValueFrame
from rtl_sim import stalls
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import StreamBench
from rtl_sim.variants import block_under_test


def block_of(outputs: int) -> ValueFrame:
    return ValueFrame(replace(IND_TINY, model=replace(IND_TINY.model, outputs=outputs, task="regression")))


VARIANTS = {"one": lambda: block_of(1), "two": lambda: block_of(2), "five": lambda: block_of(5)}


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def values_pass_and_the_last_is_marked(dut, stall):
    block = block_under_test(VARIANTS)
    outputs = block.design.model.outputs
    values = corners_then_random(linear_layer(block.design, "readout").acc, 20 * outputs, seed=5).tolist()
    found = await StreamBench(dut, stall, block=block).run(values)
    assert [entry["value"] for entry in found] == values
    assert [entry["last"] for entry in found] == [int(n % outputs == outputs - 1) for n in range(len(values))]
    assert not any(entry["decision"] for entry in found)
