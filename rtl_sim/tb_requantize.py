"""Requantize equals its golden twin: corners, then random accumulators, under every stall pattern."""

import cocotb
import numpy as np

from designs.number_format import INT8, UINT4, IntFormat
from hw.rtl.requantize import Requantize
from quant.golden.requantize import requantize
from rtl_sim import stalls
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import StreamBench
from rtl_sim.variants import block_under_test

VARIANTS = {
    "int8": lambda: Requantize(acc=IntFormat(17), out=INT8, shift=7),
    "uint4_relu": lambda: Requantize(acc=IntFormat(14), out=UINT4, shift=5),
    "no_shift": lambda: Requantize(acc=IntFormat(10), out=INT8, shift=0),
    "just_fits": lambda: Requantize(acc=IntFormat(12), out=INT8, shift=6),
    "all_bits_shifted_out": lambda: Requantize(acc=IntFormat(6), out=INT8, shift=9),
}


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_output_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    ties = np.arange(-8, 8) * (1 << block.shift) + ((1 << block.shift) >> 1)
    acc = np.concatenate([corners_then_random(block.acc, count=400, seed=7), ties.clip(block.acc.min, block.acc.max)])
    outputs = await StreamBench(dut, stall, block=block).run(acc.tolist())
    assert outputs == requantize(acc, block.shift, block.out).tolist()


@cocotb.test()
async def one_value_per_cycle_after_the_stated_latency(dut):
    block = block_under_test(VARIANTS)
    bench = StreamBench(dut, block=block)
    await bench.run(corners_then_random(block.acc, count=50, seed=1).tolist())
    assert bench.latency_cycles("i", "o") == block.latency_cycles
    assert bench.cycles("o") == len(bench.collected["o"])
