"""The token memory equals its golden twin: nothing before the ring is full, then one window per token, oldest token first."""

from functools import cache

import cocotb
import numpy as np

from hw.plan.folding import fold
from hw.plan.memory import load_words
from hw.rtl.token_memory import TokenMemory
from quant.golden.parameters import IntegerParameters
from quant.golden.residual import residual
from quant.golden.trace import sliding_windows
from rtl_sim import stalls
from rtl_sim.backends import with_backend
from rtl_sim.random_parameters import random_parameters
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import StreamBench
from rtl_sim.variants import block_under_test


@cache
def parameters_of(design_name: str) -> IntegerParameters:
    return random_parameters(with_backend(design_name, "amaranth"), seed=5)


def _token_memory(design_name: str) -> TokenMemory:
    parameters = parameters_of(design_name)
    folding = fold(parameters.design)
    return TokenMemory(parameters, folding, words=load_words(parameters, folding)["position"])


VARIANTS = {name: lambda name=name: _token_memory(name) for name in ("ind_tiny", "ind_int4")}


def golden(tokens: np.ndarray, parameters: IntegerParameters) -> list[int]:
    model = parameters.design.model
    windows = sliding_windows(tokens, model.tokens)
    return residual(windows, parameters.position, parameters.design.quant.stream).reshape(-1).tolist()


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_window_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    parameters = parameters_of(block.design.name)
    model = parameters.design.model
    count = 2 * model.tokens + 3
    tokens = corners_then_random(parameters.design.quant.stream, count * model.embed_dim, seed=2).reshape(count, -1)
    expected = golden(tokens, parameters)
    assert await StreamBench(dut, stall, block=block).run(tokens.reshape(-1).tolist(), len(expected)) == expected


@cocotb.test()
async def a_reset_empties_the_ring(dut):
    block = block_under_test(VARIANTS)
    parameters = parameters_of(block.design.name)
    model, bench = parameters.design.model, StreamBench(dut, block=block)
    tokens = corners_then_random(parameters.design.quant.stream, model.tokens * model.embed_dim, seed=3).reshape(
        -1, model.embed_dim
    )
    assert await bench.run(tokens.reshape(-1).tolist(), model.tokens * model.embed_dim) == golden(tokens, parameters)
    assert await bench.run(tokens[:-1].reshape(-1).tolist(), 0) == []
    assert await bench.run([*tokens[:-1].reshape(-1).tolist(), 0], 0) == []
