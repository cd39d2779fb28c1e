"""The whole tokenizer equals the golden one, on the named designs' shapes and on hard small ones."""

import cocotb
import numpy as np

from hw.plan.cycles import tokenizer_cycles
from hw.plan.memory import TOKEN_SHIFT_BITS, Region
from hw.rtl.tokenizer import Tokenizer
from quant.golden.pool import pooled_magnitudes, tokenize
from rtl_sim import stalls
from rtl_sim.stream_bench import StreamBench
from rtl_sim.tokenizer_stimulus import corner_signals, pack_rows
from rtl_sim.tokenizer_variants import FULL_SPECS, SPECS
from rtl_sim.variants import block_under_test


def shifts_of(spec) -> np.ndarray:
    """int64 [channels, wavelets]: such that a test's largest sums of a feature just fill, or just overflow, a token value."""
    largest = pooled_magnitudes(corner_signals(spec, tokens=4, seed=7), spec).max(axis=0)
    bits = np.array([int(value).bit_length() for value in largest.ravel()]).reshape(largest.shape)
    return np.maximum(bits - spec.token.bits - (np.arange(bits.size).reshape(bits.shape) % 4 == 0), 0)


def _tokenizer(spec) -> Tokenizer:
    shifts = shifts_of(spec).reshape(-1, spec.wavelets_per_octave)
    region = Region("token_shift", 0, len(shifts), TOKEN_SHIFT_BITS * spec.wavelets_per_octave)
    return Tokenizer(spec, region, init=pack_rows(shifts, TOKEN_SHIFT_BITS))


SMALL = {name: SPECS[name] for name in ("ind_tiny", "ind_int4_two_channels", "step_as_long_as_token")}
VARIANTS = {name: lambda spec=spec: _tokenizer(spec) for name, spec in (SMALL | FULL_SPECS).items()}


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_token_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    spec = block.spec
    tokens = 2 if spec.channels > 8 else 6
    samples = corner_signals(spec, tokens, seed=7)
    expected = tokenize(samples, spec, shifts_of(spec))
    assert len(np.unique(expected)) > 3
    found = await StreamBench(dut, stall, block=block).run(samples.ravel().tolist(), expected.size)
    assert found == expected.ravel().tolist()


@cocotb.test()
async def tokens_take_the_planned_cycles(dut):
    block = block_under_test(VARIANTS)
    spec = block.spec
    tokens = 1 << (spec.octaves - 1)  # the fewest over which every octave has whole steps
    samples = corner_signals(spec, tokens, seed=7)
    bench = StreamBench(dut, block=block)
    await bench.run(samples.ravel().tolist(), tokens * spec.features)
    cycles = bench.cycles("i") + 1  # the last sample's step has a second cycle
    assert -(-cycles // tokens) == tokenizer_cycles(spec)
