"""The feed-forward half equals its golden twins and never locks up, whoever stalls."""

from functools import cache
from itertools import pairwise

import cocotb
import numpy as np

from designs.layer_table import linear_layer
from hw.plan.folding import fold, linear_cycles
from hw.plan.memory import load_words
from hw.rtl.feed_forward import FeedForward
from quant.golden.linear import linear
from quant.golden.parameters import IntegerParameters
from quant.golden.residual import residual
from rtl_sim import stalls
from rtl_sim.backends import with_backend
from rtl_sim.random_parameters import random_parameters
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import PERIOD_NS, StreamBench
from rtl_sim.variants import block_under_test


@cache
def parameters_of(design_name: str) -> IntegerParameters:
    return random_parameters(with_backend(design_name, "amaranth"), seed=5)


def _feed_forward(design_name: str) -> FeedForward:
    parameters = parameters_of(design_name)
    folding = fold(parameters.design)
    return FeedForward(0, parameters, folding, words=load_words(parameters, folding))


VARIANTS = {name: lambda name=name: _feed_forward(name) for name in ("ind_tiny", "ind_int4")}


def golden(values: np.ndarray, parameters: IntegerParameters) -> np.ndarray:
    design, hidden = parameters.design, values
    for name in ("block0_expand", "block0_contract"):
        hidden = linear(hidden, parameters.linear[name], linear_layer(design, name))
    return residual(values, hidden, design.quant.stream)


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_output_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    parameters = parameters_of(block.design.name)
    dim, format = parameters.design.model.embed_dim, parameters.design.quant.stream
    values = corners_then_random(format, 12 * dim, seed=6).reshape(12, dim)
    values[0], values[1] = format.max, format.min
    expected = golden(values, parameters).reshape(-1).tolist()
    assert await StreamBench(dut, stall, block=block).run(values.reshape(-1).tolist(), len(expected)) == expected


@cocotb.test()
async def both_layers_work_all_the_time(dut):
    block = block_under_test(VARIANTS)
    design = block.design
    dim, bench = design.model.embed_dim, StreamBench(dut, block=block)
    values = corners_then_random(design.quant.stream, 8 * dim, seed=7).tolist()
    await bench.run(values, len(values))
    ends = bench.transfer_ns["o"][dim - 1 :: dim]
    slowest = max(
        linear_cycles(linear_layer(design, name), fold(design)[name]) // design.model.tokens
        for name in ("block0_expand", "block0_contract")
    )
    assert {(later - sooner) // PERIOD_NS for sooner, later in pairwise(ends[3:])} == {slowest}
