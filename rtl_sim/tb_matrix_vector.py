"""The matrix-vector core equals its golden twin; FINN's core stands in for ours here (hw.finn_flow.simulate), same vectors."""

from itertools import pairwise

import cocotb
import numpy as np

from designs.layer_table import LinearLayer
from designs.number_format import INT4, INT8, UINT4, UINT8, IntFormat
from hw.plan.folding import Folding
from hw.rtl.matrix_vector import MatrixVector
from quant.golden.linear import linear
from quant.golden.parameters import LinearParameters
from rtl_sim import stalls
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import PERIOD_NS, StreamBench
from rtl_sim.variants import block_under_test


def _core(inputs: int, outputs: int, input: IntFormat, weight: IntFormat, folding: Folding) -> MatrixVector:
    return MatrixVector(LinearLayer("core", inputs, outputs, 2, input, weight, None), folding)


CYCLES_PER_VECTOR = "cycles per vector: "
"""What the log has before the measured number."""

VARIANTS = {
    "serial": lambda: _core(8, 8, INT8, INT4, Folding(1, 1)),
    "narrow_operands": lambda: _core(16, 8, UINT4, INT4, Folding(2, 4)),
    "embed_of_ind_int4": lambda: _core(320, 32, UINT8, INT4, Folding(2, 1)),
    "int8_one_fold": lambda: _core(12, 6, INT8, INT8, Folding(6, 3)),
    "one_word_per_vector": lambda: _core(4, 4, UINT4, INT4, Folding(1, 4)),
    "odd_sizes": lambda: _core(10, 6, IntFormat(3), IntFormat(2), Folding(2, 5)),
}


def stimulus(layer: LinearLayer, vectors: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 activations [vectors, inputs] and weights [vectors, outputs, inputs]: the largest sums of either sign first."""
    x = corners_then_random(layer.input, vectors * layer.inputs, seed).reshape(vectors, layer.inputs)
    w = corners_then_random(layer.weight, vectors * layer.outputs * layer.inputs, seed + 1)
    w = w.reshape(vectors, layer.outputs, layer.inputs)
    corners = [(a, b) for a in (layer.input.min, layer.input.max) for b in (layer.weight.min, layer.weight.max)]
    for vector, (a, b) in enumerate(corners):
        x[vector], w[vector] = a, b
    return x, w


def words(layer: LinearLayer, folding: Folding, x: np.ndarray, w: np.ndarray) -> dict[str, list[list[int]]]:
    """The transfers of one run, in the orders of hw.rtl.matrix_vector.matrix_vector_signature."""
    pe, simd = folding.pe, folding.simd
    folded = w.reshape(len(w), layer.outputs // pe, pe, layer.inputs // simd, simd).transpose(0, 1, 3, 2, 4)
    return {"i": x.reshape(-1, simd).tolist(), "w": folded.reshape(-1, pe * simd).tolist()}


def golden(layer: LinearLayer, folding: Folding, x: np.ndarray, w: np.ndarray) -> list[list[int]]:
    """Sums without bias, `pe` per transfer."""
    bias = np.zeros(layer.outputs, np.int64)
    sums = [linear(vector, LinearParameters(weight, bias, 0), layer) for vector, weight in zip(x, w, strict=True)]
    return np.stack(sums).reshape(-1, folding.pe).tolist()


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_sum_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    layer, folding = block.layer, block.folding
    x, w = stimulus(layer, vectors=12, seed=7)
    expected = golden(layer, folding, x, w)
    sums = await StreamBench(dut, stall, block=block).run(words(layer, folding, x, w), len(expected))
    assert sums == expected


@cocotb.test()
async def a_vector_takes_a_cycle_per_weight_word_and_at_most_one_to_change_vectors(dut):
    block = block_under_test(VARIANTS)
    layer, folding = block.layer, block.folding
    bench = StreamBench(dut, block=block)
    x, w = stimulus(layer, vectors=6, seed=3)
    transfers = words(layer, folding, x, w)
    await bench.run(transfers, len(x) * layer.outputs // folding.pe)
    ends = bench.transfer_ns["o"][layer.outputs // folding.pe - 1 :: layer.outputs // folding.pe]
    [steady] = {(later - sooner) // PERIOD_NS for sooner, later in pairwise(ends)}
    cocotb.log.info(f"{CYCLES_PER_VECTOR}{steady}")
    cycles_per_word = 2 if folding.simd == layer.inputs else 1
    least = len(transfers["w"]) // len(x) * cycles_per_word
    assert least <= steady <= least + 1
