"""Magnitude equals its golden twin for every corner of (cosine, sine), then for random sums."""

from itertools import product

import cocotb
import numpy as np

from hw.rtl.magnitude import Magnitude
from hw.rtl.wavelet_bank import filter_format
from quant.golden.magnitude import magnitude
from rtl_sim import stalls
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import StreamBench
from rtl_sim.tokenizer_variants import SPECS
from rtl_sim.variants import block_under_test

VARIANTS = {name: lambda spec=SPECS[name]: Magnitude(spec) for name in ("ind_tiny", "ind_int4_two_channels", "one_octave")}


def sums_of(spec, count: int, seed: int) -> np.ndarray:
    """int64 [steps, wavelets_per_octave, 2]: all pairs of extremes and small values first."""
    format, wavelets = filter_format(spec), spec.wavelets_per_octave
    edges = [format.min, format.max, 0, 1, -1, 7, -8, format.max // 2]
    corners = np.array(list(product(edges, repeat=2)))
    corners = np.repeat(corners[:, None, :], wavelets, axis=1)
    noise = corners_then_random(format, count * wavelets * 2, seed).reshape(count, wavelets, 2)
    return np.concatenate([corners, noise])


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_magnitude_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    sums = sums_of(block.spec, count=500, seed=7)
    steps = [[{"cosine": int(c), "sine": int(s)} for c, s in step] for step in sums]
    assert await StreamBench(dut, stall, block=block).run(steps) == magnitude(sums).tolist()


@cocotb.test()
async def one_step_per_cycle_after_the_stated_latency(dut):
    block = block_under_test(VARIANTS)
    bench = StreamBench(dut, block=block)
    steps = [[{"cosine": int(c), "sine": int(s)} for c, s in step] for step in sums_of(block.spec, count=10, seed=1)]
    await bench.run(steps)
    assert bench.latency_cycles("i", "o") == block.latency_cycles
    assert bench.cycles("o") == len(steps)
