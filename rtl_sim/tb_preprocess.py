"""Preprocessed samples equal the golden model's: every gain, saturation, channels that die and come back, masks."""

from dataclasses import replace

import cocotb
import numpy as np

from designs.number_format import IntFormat
from designs.schema import GAIN_BITS, PreprocessSpec, TokenizerSpec
from hw.plan.memory import GAIN_SHIFT_BITS, Region, preprocess_words
from hw.rtl.preprocess import Preprocess
from quant.golden.parameters import PreprocessParameters
from quant.golden.preprocess import preprocess
from rtl_sim import stalls
from rtl_sim.load_bus import alternate_banks, load_regions
from rtl_sim.stream_bench import StreamBench
from rtl_sim.tokenizer_variants import TINY
from rtl_sim.variants import block_under_test

SPECS: dict[str, TokenizerSpec] = {
    "every_gain": replace(TINY, channels=2 * GAIN_BITS + 2, preprocess=PreprocessSpec(drift_bits=8, dead_after=12)),
    "no_average": replace(TINY, channels=5, preprocess=PreprocessSpec(drift_bits=0, dead_after=1)),
    "one_channel": replace(TINY, channels=1, preprocess=PreprocessSpec(drift_bits=16, dead_after=40)),
    "16_bits": replace(TINY, channels=3, sample=IntFormat(16), preprocess=PreprocessSpec(drift_bits=1, dead_after=7)),
}


def gains_of(spec: TokenizerSpec, first: int = 3) -> PreprocessParameters:
    """Every gain in turn, the first channel's is 2 ** first; the last channel is masked where it is not the only one."""
    channel = np.arange(spec.channels)
    shift = (5 * channel + first + GAIN_BITS) % (2 * GAIN_BITS + 1) - GAIN_BITS
    return PreprocessParameters(shift, ((channel > 0) & (channel == spec.channels - 1)).astype(np.int64))


def _preprocess(spec: TokenizerSpec) -> Preprocess:
    region = Region("preprocess", 3, spec.channels, GAIN_SHIFT_BITS + 1, bank=2)
    return Preprocess(spec, region, init=preprocess_words(gains_of(spec)))


VARIANTS = {name: lambda spec=spec: _preprocess(spec) for name, spec in SPECS.items()}


def signals_of(spec: TokenizerSpec, seed: int) -> np.ndarray:
    """int64 [samples, channels]: a first sample between the extremes, then each channel begins with another of the corners.

    Extremes in turn, an extreme held until it counts as dead, one held for a sample less, small and large noise, a ramp.
    """
    assert spec.preprocess is not None
    low, high, after = spec.sample.min, spec.sample.max, spec.preprocess.dead_after
    rng = np.random.default_rng(seed)
    pieces = [
        np.tile([low, high], 6),
        np.full(after + 5, high),
        np.full(after + 1, low),
        np.append(np.full(after, high), low),
        rng.integers(-3, 4, 20),
        rng.integers(low, high, 20, endpoint=True),
        np.linspace(low, high, 16).astype(np.int64),
        np.zeros(after + 2, np.int64),
    ]
    orders = [pieces[channel % len(pieces) :] + pieces[: channel % len(pieces)] for channel in range(spec.channels)]
    begin = high // 4 + np.arange(spec.channels)
    return np.concatenate([begin[None], np.stack([np.concatenate(order) for order in orders], axis=1)])


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_sample_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    samples = signals_of(block.spec, seed=7)
    expected = preprocess(samples, gains_of(block.spec), block.spec)
    immortal = replace(block.spec, preprocess=replace(block.spec.preprocess, dead_after=999))
    assert (expected != preprocess(samples, gains_of(block.spec), immortal)).any(), "no channel dies"
    assert {block.spec.sample.min, block.spec.sample.max} <= set(expected.ravel().tolist()), "nothing saturates"
    found = await StreamBench(dut, stall, block=block).run(samples.ravel().tolist())
    assert found == expected.ravel().tolist()


@cocotb.test()
async def a_reset_on_the_way_forgets_averages_and_counts(dut):
    block = block_under_test(VARIANTS)
    samples = signals_of(block.spec, seed=3)
    bench = StreamBench(dut, block=block)
    await bench.run(samples.ravel().tolist()[: samples.size // 2 + 1])
    again = np.broadcast_to(samples[len(samples) // 2], samples.shape)  # still as the channel was left, but from reset on
    for stream in (again, samples):
        expected = preprocess(stream, gains_of(block.spec), block.spec)
        assert await bench.run(stream.ravel().tolist()) == expected.ravel().tolist()


@cocotb.test()
async def loaded_gains_and_masks_are_used(dut):
    block = block_under_test(VARIANTS)
    samples = signals_of(block.spec, seed=5)
    other = gains_of(block.spec, first=-6)
    bench = StreamBench(dut, block=block)
    for gains in (replace(other, dead=1 - other.dead), other, gains_of(block.spec)):  # what was there comes back at last
        await bench.reset()
        await load_regions(dut, [block.region], {"preprocess": preprocess_words(gains)})
        expected = preprocess(samples, gains, block.spec)
        assert await bench.run(samples.ravel().tolist(), reset=False) == expected.ravel().tolist()


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def loaded_gains_replace_all_others_before_a_first_channel(dut, stall):
    block = block_under_test(VARIANTS)
    spec, region = block.spec, block.region
    samples = signals_of(spec, seed=5)
    pair = [gains_of(spec), gains_of(spec, first=-6)]
    golden = [preprocess(samples, gains, spec).tolist() for gains in pair]
    bench = StreamBench(dut, stall, block=block)
    await bench.reset()
    loading = cocotb.start_soon(alternate_banks(dut, region, [preprocess_words(gains) for gains in pair]))
    found = await bench.run(samples.ravel().tolist(), reset=False)
    loading.cancel()
    rows = np.reshape(found, samples.shape).tolist()
    which = [[row == one[at] for one in golden] for at, row in enumerate(rows)]
    assert all(any(matches) for matches in which), which
    assert [True, False] in which and [False, True] in which
    await bench.reset()  # chooses the first bank again, which holds what it was preset to


@cocotb.test()
async def a_sample_takes_two_cycles(dut):
    block = block_under_test(VARIANTS)
    samples = signals_of(block.spec, seed=1).ravel().tolist()
    bench = StreamBench(dut, block=block)
    await bench.run(samples)
    assert bench.cycles("i") == bench.cycles("o") == 2 * len(samples) - 1
