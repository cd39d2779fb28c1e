"""Linear layers equal their golden twin: corner weights, random ones, weights loaded on the way, every stall pattern."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import cocotb
import numpy as np

from designs.layer_table import linear_layer
from hw.plan.folding import Folding, fold
from hw.plan.memory import load_words
from hw.rtl.linear import Linear
from hw.rtl.matrix_vector import REGISTER_INPUTS_MAX
from quant.golden.linear import linear
from quant.golden.parameters import IntegerParameters
from rtl_sim import stalls
from rtl_sim.backends import with_backend
from rtl_sim.load_bus import load_regions
from rtl_sim.random_parameters import random_parameters
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import PERIOD_NS, StreamBench
from rtl_sim.variants import block_under_test


@cache
def parameters_of(design_name: str, seed: int = 5) -> IntegerParameters:
    """Random parameters in which every layer's first output has the lowest weights and its last one the highest."""
    parameters = random_parameters(with_backend(design_name, "amaranth"), seed=seed)
    layers = {}
    for name, found in parameters.linear.items():
        layer, weight, bias = linear_layer(parameters.design, name), found.weight.copy(), found.bias.copy()
        weight[0], weight[-1] = layer.weight.min, layer.weight.max
        bias[0], bias[-1] = layer.bias.min, layer.bias.max
        layers[name] = replace(found, weight=weight, bias=bias)
    return replace(parameters, linear=layers)


def _linear(design_name: str, layer: str, folding: Folding | None = None) -> Linear:
    parameters = parameters_of(design_name)
    chosen = fold(parameters.design) | ({layer: folding} if folding else {})
    return Linear(layer, parameters, chosen, words=load_words(parameters, chosen))


CASES = {
    "ind_tiny_query": ("ind_tiny", "block0_query", None),
    "ind_tiny_readout": ("ind_tiny", "readout", None),
    "ind_int4_embed": ("ind_int4", "embed", None),
    "ind_int4_contract": ("ind_int4", "block1_contract", None),
    "ind_int8_expand": ("ind_int8", "block0_expand", None),
    "ind_tiny_wide": ("ind_tiny", "block0_expand", Folding(pe=4, simd=4)),
}
VARIANTS = {name: lambda case=case: _linear(*case) for name, case in CASES.items()}


def activations(block: Linear, vectors: int, seed: int) -> np.ndarray:
    """int64 [vectors, inputs]: a vector of lowest values, one of highest, then all kinds."""
    values = corners_then_random(block.layer.input, vectors * block.layer.inputs, seed).reshape(vectors, -1)
    values[0], values[1] = block.layer.input.min, block.layer.input.max
    return values


def golden(block: Linear, parameters: IntegerParameters, values: np.ndarray) -> list[int]:
    return linear(values, parameters.linear[block.layer.name], block.layer).reshape(-1).tolist()


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_output_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    values = activations(block, vectors=5, seed=7)
    expected = golden(block, parameters_of(block.design.name), values)
    assert await StreamBench(dut, stall, block=block).run(values.reshape(-1).tolist(), len(expected)) == expected


@cocotb.test()
async def loaded_words_replace_the_ones_before(dut):
    block = block_under_test(VARIANTS)
    bench, values = StreamBench(dut, block=block), activations(block, vectors=3, seed=8)
    name, before = block.layer.name, parameters_of(block.design.name)
    other = parameters_of(block.design.name, seed=6).linear[name]
    # rows turned round, so that the first word, which was read ahead before the load, becomes another one too
    loaded = replace(other, weight=other.weight[::-1], bias=other.bias[::-1], shift=block.shift)
    after = replace(before, linear=before.linear | {name: loaded})
    expected = golden(block, before, values)
    assert await bench.run(values.reshape(-1).tolist(), len(expected)) == expected
    chosen = fold(before.design) | {name: block.folding}
    earlier, words = load_words(before, chosen), load_words(after, chosen)
    loaded = (*block.weights.regions, *block.biases.regions)
    assert all(words[region.name][0] != earlier[region.name][0] for region in loaded)
    await load_regions(dut, loaded, words)
    expected = golden(block, after, values)
    assert await bench.run(values.reshape(-1).tolist(), len(expected), reset=False) == expected


@cocotb.test()
async def a_vector_takes_the_stated_cycles(dut):
    block = block_under_test(VARIANTS)
    layer, bench = block.layer, StreamBench(dut, block=block)
    await bench.run(activations(block, vectors=5, seed=9).reshape(-1).tolist(), 5 * layer.outputs)
    last = bench.transfer_ns["o"][layer.outputs - 1 :: layer.outputs]
    words = layer.inputs * layer.outputs // block.folding.multipliers
    # with one bank, the first word of a vector is seen a cycle after it was stored
    one_bank = int(layer.tokens == 1 and layer.inputs <= REGISTER_INPUTS_MAX)
    giving = layer.outputs + layer.outputs // block.folding.pe  # sums leave one by one, then the next ones may come
    taken = {(later - sooner) // PERIOD_NS for sooner, later in pairwise(last[1:])}
    assert taken == {max(words + one_bank, giving)}
