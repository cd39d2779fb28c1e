"""The mean over a window equals its golden twin: extreme and random windows, under every stall pattern."""

from dataclasses import replace

import cocotb

from designs.ind_int4 import IND_INT4
from designs.ind_tiny import IND_TINY
from hw.rtl.mean_pool import MeanPool
from quant.golden.mean_pool import mean_pool
from rtl_sim import stalls
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import StreamBench
from rtl_sim.variants import block_under_test

WINDOWS = 5
VARIANTS = {
    "ind_tiny": lambda: MeanPool(IND_TINY, shift=2),
    "ind_int4": lambda: MeanPool(IND_INT4, shift=4),
    "saturating": lambda: MeanPool(replace(IND_TINY, model=replace(IND_TINY.model, tokens=3, embed_dim=5)), shift=0),
}


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_mean_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    model, format = block.design.model, block.design.quant.stream
    shape = (WINDOWS, model.tokens, model.embed_dim)
    values = corners_then_random(format, WINDOWS * model.tokens * model.embed_dim, seed=4).reshape(shape)
    values[0], values[1] = format.max, format.min
    expected = mean_pool(values, block.shift, block.design).reshape(-1).tolist()
    assert await StreamBench(dut, stall, block=block).run(values.reshape(-1).tolist(), len(expected)) == expected
