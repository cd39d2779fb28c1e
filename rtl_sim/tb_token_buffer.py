"""The token buffer gives every token's features in order, however its words arrived."""

import cocotb
import numpy as np

from hw.rtl.token_buffer import TokenBuffer
from rtl_sim import stalls
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import PERIOD_NS, StreamBench
from rtl_sim.tokenizer_variants import SPECS
from rtl_sim.variants import block_under_test

NAMES = ("ind_tiny", "ind_int4_two_channels", "one_wavelet_per_octave", "one_octave")
VARIANTS = {name: lambda spec=SPECS[name]: TokenBuffer(spec) for name in NAMES}


def tokens_of(spec, tokens: int, seed: int) -> tuple[list[dict], list[int]]:
    """Transfers in random order within each token, and the features they make."""
    rng, words = np.random.default_rng(seed), spec.channels * spec.octaves
    values = corners_then_random(spec.token, tokens * spec.features, seed).reshape(tokens, words, -1)
    transfers = [{"index": int(index), "values": token[index].tolist()} for token in values for index in rng.permutation(words)]
    return transfers, values.ravel().tolist()


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_feature_arrives_in_order(dut, stall):
    block = block_under_test(VARIANTS)
    transfers, features = tokens_of(block.spec, tokens=8, seed=7)
    assert await StreamBench(dut, stall, block=block).run(transfers, len(features)) == features


@cocotb.test()
async def a_reset_begins_a_new_token(dut):
    block = block_under_test(VARIANTS)
    transfers, features = tokens_of(block.spec, tokens=2, seed=3)
    bench = StreamBench(dut, block=block)
    await bench.run(transfers[: len(transfers) // 2 - 1], 0)
    assert await bench.run(transfers, len(features)) == features


@cocotb.test()
async def one_feature_per_cycle_after_the_stated_latency(dut):
    block = block_under_test(VARIANTS)
    transfers, features = tokens_of(block.spec, tokens=1, seed=1)
    bench = StreamBench(dut, block=block)
    await bench.run(transfers, len(features))
    assert (bench.transfer_ns["o"][0] - bench.transfer_ns["i"][-1]) // PERIOD_NS == block.latency_cycles
    assert bench.cycles("o") == len(features)
