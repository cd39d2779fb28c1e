"""The attention half equals its golden twins and never locks up, whoever stalls."""

from functools import cache

import cocotb
import numpy as np

from designs.layer_table import linear_layer
from hw.plan.folding import fold
from hw.plan.memory import load_words
from hw.rtl.attention_block import AttentionBlock
from quant.golden.linear import linear
from quant.golden.linear_attention import linear_attention
from quant.golden.parameters import IntegerParameters
from quant.golden.residual import residual
from rtl_sim import stalls
from rtl_sim.backends import with_backend
from rtl_sim.random_parameters import random_parameters
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import StreamBench
from rtl_sim.variants import block_under_test


@cache
def parameters_of(design_name: str) -> IntegerParameters:
    return random_parameters(with_backend(design_name, "amaranth"), seed=5)


def _attention_block(design_name: str) -> AttentionBlock:
    parameters = parameters_of(design_name)
    folding = fold(parameters.design)
    return AttentionBlock(0, parameters, folding, words=load_words(parameters, folding))


VARIANTS = {name: lambda name=name: _attention_block(name) for name in ("ind_tiny", "ind_int4")}


def golden(window: np.ndarray, parameters: IntegerParameters) -> np.ndarray:
    design = parameters.design

    def through(name: str, inputs: np.ndarray) -> np.ndarray:
        return linear(inputs, parameters.linear[f"block0_{name}"], linear_layer(design, f"block0_{name}"))

    query, key, value = (through(name, window) for name in ("query", "key", "value"))
    attended = linear_attention(query, key, value, parameters.attention[0], design)
    return residual(window, through("project", attended), design.quant.stream)


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_output_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    parameters = parameters_of(block.design.name)
    model, format = parameters.design.model, parameters.design.quant.stream
    shape = (4, model.tokens, model.embed_dim)
    windows = corners_then_random(format, int(np.prod(shape)), seed=6).reshape(shape)
    windows[2], windows[3, ::2] = format.max, format.min
    expected = golden(windows, parameters).reshape(-1).tolist()
    assert await StreamBench(dut, stall, block=block).run(windows.reshape(-1).tolist(), len(expected)) == expected
