"""The decision equals its golden twin: ties, extremes and random readouts, under every stall pattern."""

from dataclasses import replace

import cocotb
import numpy as np

from designs.ind_tiny import IND_TINY
from designs.layer_table import linear_layer
from hw.rtl.argmax import Argmax
from quant.golden.argmax import argmax
from rtl_sim import stalls
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import StreamBench
from rtl_sim.variants import block_under_test

VARIANTS = {
    "ind_tiny": lambda: Argmax(IND_TINY),
    "five_classes": lambda: Argmax(replace(IND_TINY, model=replace(IND_TINY.model, outputs=5))),
    "two_classes": lambda: Argmax(replace(IND_TINY, model=replace(IND_TINY.model, outputs=2))),
}


def readouts(block: Argmax) -> np.ndarray:
    """int64 [decisions, outputs]: every place wins, ties of every kind, then random ones."""
    outputs, format = block.design.model.outputs, linear_layer(block.design, "readout").acc
    rng = np.random.default_rng(3)
    wins = np.where(np.eye(outputs, dtype=bool), format.max, format.min)
    ties = rng.integers(-1, 1, (40, outputs), endpoint=True)
    all_low = np.full((2, outputs), format.min)
    return np.concatenate([wins, -1 - wins, ties, all_low, corners_then_random(format, 60 * outputs, 5).reshape(-1, outputs)])


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_decision_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    values = readouts(block)
    found = await StreamBench(dut, stall, block=block).run(values.reshape(-1).tolist())
    assert [entry["value"] for entry in found] == values.reshape(-1).tolist()
    outputs = block.design.model.outputs
    assert [entry["last"] for entry in found] == [int(n % outputs == outputs - 1) for n in range(values.size)]
    assert [entry["decision"] for entry in found if entry["last"]] == argmax(values)[:, 0].tolist()
