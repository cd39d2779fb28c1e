"""The whole tokenizer equals the golden one, on the named designs' shapes and on hard small ones."""

import cocotb
import numpy as np

from hw.plan.cycles import tokenizer_cycles
from hw.plan.memory import GAIN_SHIFT_BITS, Region, preprocess_words
from hw.plan.spatial import spatial_layout, weight_rows
from hw.rtl.tokenizer import Tokenizer
from quant.golden.parameters import PreprocessParameters
from quant.golden.pool import pooled_magnitudes, tokenize
from quant.golden.preprocess import preprocess
from quant.golden.spatial_filter import spatial_filter
from rtl_sim import stalls
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import StreamBench
from rtl_sim.tokenizer_stimulus import corner_signals, pack_rows
from rtl_sim.tokenizer_variants import FULL_SPECS, MIXED_SPECS, PREPROCESSED, SPECS
from rtl_sim.variants import block_under_test

SPATIAL_SHIFT = 7


def weights_of(spec) -> np.ndarray:
    """int64 [virtual channels, channels]: the format's corners, then random ones."""
    count = spec.bank_channels * spec.channels
    return corners_then_random(spec.spatial.weight, count, seed=9).reshape(spec.bank_channels, spec.channels)


def gains_of(spec) -> PreprocessParameters:
    """Gains from 1/4 to 2, the second channel masked."""
    channel = np.arange(spec.channels)
    return PreprocessParameters(channel % 4 - 2, (channel == 1).astype(np.int64))


def bank_samples(samples: np.ndarray, spec) -> np.ndarray:
    """What the wavelet bank sees of samples [samples, channels]."""
    samples = preprocess(samples, gains_of(spec), spec) if spec.preprocess else samples
    return spatial_filter(samples, weights_of(spec), SPATIAL_SHIFT, spec) if spec.spatial else samples


def shifts_of(spec) -> np.ndarray:
    """int64 [bank channels, wavelets]: such that a test's largest sums of a feature just fill, or just overflow, a token."""
    largest = pooled_magnitudes(bank_samples(corner_signals(spec, tokens=4, seed=7), spec), spec.bank).max(axis=0)
    bits = np.array([int(value).bit_length() for value in largest.ravel()]).reshape(largest.shape)
    return np.maximum(bits - spec.token.bits - (np.arange(bits.size).reshape(bits.shape) % 4 == 0), 0)


def _tokenizer(spec) -> Tokenizer:
    shifts = shifts_of(spec).reshape(-1, spec.wavelets_per_octave)
    words = {"token_shift": pack_rows(shifts, spec.bank.token_shift.bits)}
    regions = {"token_shift": Region("token_shift", 0, len(shifts), spec.bank.token_shift.bits * spec.wavelets_per_octave, 0)}
    if spec.spatial is not None:
        layout, bits = spatial_layout(spec), spec.spatial.weight.bits
        words["spatial_weight"] = pack_rows(weight_rows(weights_of(spec), spec) & ((1 << bits) - 1), bits)
        regions["spatial_weight"] = Region("spatial_weight", 1, layout.words(spec.channels), layout.lanes * bits)
    if spec.preprocess is not None:
        words["preprocess"] = preprocess_words(gains_of(spec))
        regions["preprocess"] = Region("preprocess", 2, spec.channels, GAIN_SHIFT_BITS + 1, 2)
    return Tokenizer(spec, regions, words=words, spatial_shift=SPATIAL_SHIFT)


SMALL = {
    name: SPECS[name] for name in ("ind_tiny", "ind_int4_two_channels", "step_as_long_as_token", "learned_centres")
} | MIXED_SPECS
VARIANTS = {name: lambda spec=spec: _tokenizer(spec) for name, spec in (SMALL | FULL_SPECS | PREPROCESSED).items()}


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_token_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    spec = block.spec
    tokens = 2 if spec.channels > 8 else 6
    samples = corner_signals(spec, tokens, seed=7)
    expected = tokenize(bank_samples(samples, spec), spec.bank, shifts_of(spec))
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
    cycles = bench.cycles("i") + 1  # the last sample's step has a second cycle, in which preprocessing would read the next
    if spec.spatial is not None:  # the last frame's virtual channels leave when its samples are in: two cycles each
        cycles += 2 * spec.bank_channels - 2
    assert -(-cycles // tokens) == tokenizer_cycles(spec)
