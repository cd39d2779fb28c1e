"""The engine equals its golden twin from features to readout, whoever stalls, with weights preset or loaded on the way."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import cocotb
import numpy as np

from hw.plan.cycles import pass_cycles
from hw.plan.engine import passes
from hw.plan.memory import load_words, regions
from hw.rtl.engine import Engine
from quant.golden.parameters import IntegerParameters
from quant.golden.trace import sliding_windows, trace_tokens
from rtl_sim import stalls
from rtl_sim.backends import with_backend
from rtl_sim.load_bus import load_regions
from rtl_sim.random_parameters import random_parameters
from rtl_sim.small_designs import SMALL
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import PERIOD_NS, StreamBench
from rtl_sim.variants import block_under_test

WINDOWS = 3
STREAMING = ("ind_stream_int4", "streaming", "streaming_int8", "streaming_one_row")


@cache
def parameters_of(design_name: str, seed: int = 5) -> IntegerParameters:
    return random_parameters(with_backend(SMALL.get(design_name, design_name), "engine"), seed=seed)


def _engine(design_name: str) -> Engine:
    parameters = parameters_of(design_name)
    return Engine(parameters, words=load_words(parameters, {}))


VARIANTS = {name: lambda name=name: _engine(name) for name in ("ind_tiny", "ind_int4", *STREAMING)}


def features(parameters: IntegerParameters, windows: int, seed: int) -> np.ndarray:
    """int64 [tokens, features]: a token of lowest values, one of highest, then all kinds."""
    design = parameters.design
    shape = (design.model.tokens + windows - 1, design.tokenizer.features)
    found = corners_then_random(design.tokenizer.token, int(np.prod(shape)), seed).reshape(shape)
    found[0], found[1] = design.tokenizer.token.min, design.tokenizer.token.max
    return found


def golden(tokens: np.ndarray, parameters: IntegerParameters) -> list[int]:
    window = parameters.design.model.tokens
    if parameters.design.model.streaming:
        return trace_tokens(tokens[None], parameters)["readout"][0, window - 1 :].reshape(-1).tolist()
    return trace_tokens(sliding_windows(tokens, window), parameters)["readout"].reshape(-1).tolist()


async def run(bench: StreamBench, tokens: np.ndarray, values: int, *, reset: bool = True) -> list[int]:
    found = await bench.run(tokens.reshape(-1).tolist(), values, reset=reset)
    assert isinstance(found, list)
    return found


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_readout_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    parameters = parameters_of(block.design.name)
    tokens = features(parameters, WINDOWS, seed=7)
    expected = golden(tokens, parameters)
    assert await run(StreamBench(dut, stall, block=block), tokens, len(expected)) == expected


@cocotb.test()
async def loaded_words_replace_the_ones_before(dut):
    block = block_under_test(VARIANTS)
    # the same shifts, which are built in, with every weight, bias and position turned round
    before = parameters_of(block.design.name)
    after = turned_round(before)
    bench, tokens = StreamBench(dut, block=block), features(before, WINDOWS, seed=8)
    expected = golden(tokens, before)
    assert await run(bench, tokens, len(expected)) == expected
    await load_regions(dut, regions(after.design, {})[1:], load_words(after, {}))  # all but token_shift
    expected = golden(tokens, after)
    await bench.reset()
    assert await run(bench, tokens, len(expected), reset=False) == expected


def turned_round(parameters: IntegerParameters) -> IntegerParameters:
    """Other weights of the same formats and shifts."""
    layers = {
        name: replace(layer, weight=layer.weight[::-1, ::-1], bias=layer.bias[::-1])
        for name, layer in parameters.linear.items()
    }
    return replace(parameters, linear=layers, position=parameters.position[::-1, ::-1])


@cocotb.test()
async def readouts_follow_each_other_at_the_planned_pace(dut):
    block = block_under_test(VARIANTS)
    parameters, bench = parameters_of(block.design.name), StreamBench(dut, block=block)
    outputs = block.design.model.outputs
    await run(bench, features(parameters, WINDOWS, seed=9), WINDOWS * outputs)
    ends = bench.transfer_ns["o"][outputs - 1 :: outputs]
    planned = sum(pass_cycles(one, block.design) for one in passes(block.design))
    assert {(later - sooner) // PERIOD_NS for sooner, later in pairwise(ends)} == {planned}
