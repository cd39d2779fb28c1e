"""The residual add equals its golden twin, both sides stalled on their own."""

import cocotb
import numpy as np

from designs.number_format import INT4, INT8
from hw.rtl.residual import Residual
from quant.golden.residual import residual
from rtl_sim import stalls
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import StreamBench
from rtl_sim.variants import block_under_test

VARIANTS = {"int8": lambda: Residual(INT8), "int4": lambda: Residual(INT4)}


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_sum_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    low, high = block.format.min, block.format.max
    corners = np.array([low, low, high, high, 0, -1, low, high])
    stream = np.concatenate([corners, corners_then_random(block.format, 400, seed=1)])
    update = np.concatenate([corners[::-1], np.roll(corners_then_random(block.format, 400, seed=2), 3)])
    sums = await StreamBench(dut, stall, block=block).run({"stream": stream.tolist(), "update": update.tolist()})
    assert sums == residual(stream, update, block.format).tolist()
