"""Linear attention equals its golden twin: corner and random windows, back to back, under every stall pattern."""

from dataclasses import replace
from itertools import pairwise

import cocotb
import numpy as np

from designs.ind_int4 import IND_INT4
from designs.ind_int8 import IND_INT8
from designs.ind_tiny import IND_TINY
from designs.number_format import IntFormat
from designs.schema import Design
from hw.plan.folding import Folding, attention_cycles
from hw.rtl.linear_attention import LinearAttention
from quant.golden.linear_attention import linear_attention
from quant.golden.parameters import AttentionShifts
from rtl_sim import stalls
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import PERIOD_NS, StreamBench
from rtl_sim.variants import block_under_test


def _sized(design: Design, tokens: int, embed_dim: int) -> Design:
    return replace(design, model=replace(design.model, tokens=tokens, embed_dim=embed_dim))


VARIANTS = {
    "ind_tiny": lambda: LinearAttention(IND_TINY, Folding(1), AttentionShifts(1, 6)),
    "ind_tiny_pe4": lambda: LinearAttention(IND_TINY, Folding(4), AttentionShifts(2, 5)),
    "int8_one_group": lambda: LinearAttention(_sized(IND_INT8, 3, 4), Folding(4), AttentionShifts(8, 9)),
    "odd_sizes": lambda: LinearAttention(_sized(IND_INT8, 5, 6), Folding(2), AttentionShifts(10, 9)),
    "ind_int4": lambda: LinearAttention(IND_INT4, Folding(4), AttentionShifts(2, 7)),
}


def windows_of(format: IntFormat, block: LinearAttention, windows: int, seed: int) -> np.ndarray:
    """int64 [windows, tokens, embed_dim]: one window of highest values, one of lowest, then all kinds."""
    model = block.design.model
    shape = (windows, model.tokens, model.embed_dim)
    values = corners_then_random(format, int(np.prod(shape)), seed).reshape(shape)
    values[0], values[1] = format.max, format.min
    return values


def stimulus(block: LinearAttention, windows: int) -> dict[str, np.ndarray]:
    """The three input streams; the second window meets the lowest values with the highest queries and keys."""
    activation = block.design.quant.activation
    unsigned = activation.unsigned()
    query, key = windows_of(unsigned, block, windows, 3), windows_of(unsigned, block, windows, 4)
    query[1], key[1] = unsigned.max, unsigned.max
    return {"query": query, "key": key, "value": windows_of(activation, block, windows, 5)}


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_output_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    values = stimulus(block, windows=4)
    expected = linear_attention(**values, shifts=block.shifts, design=block.design).reshape(-1).tolist()
    streams = {name: column.reshape(-1).tolist() for name, column in values.items()}
    assert await StreamBench(dut, stall, block=block).run(streams, len(expected)) == expected


@cocotb.test()
async def a_window_takes_the_planned_cycles(dut):
    block = block_under_test(VARIANTS)
    bench, values = StreamBench(dut, block=block), stimulus(block, windows=5)
    per_window = values["query"][0].size
    await bench.run({name: column.reshape(-1).tolist() for name, column in values.items()}, values["query"].size)
    ends = bench.transfer_ns["o"][per_window - 1 :: per_window]
    planned = attention_cycles(block.design, block.folding)
    taken = [(later - sooner) // PERIOD_NS for sooner, later in pairwise(ends[1:])]
    # two pipeline fills and the hand-overs between the phases; a query that arrives may take a read's turn
    assert planned <= min(taken) and max(taken) <= planned + 8 + per_window
