"""The wavelet bank's filter sums equal the golden model's, step by step, in the order of the steps."""

import cocotb

from hw.rtl.wavelet_bank import WaveletBank
from quant.golden.wavelet_bank import filter_sums, octave_samples
from rtl_sim import stalls
from rtl_sim.stream_bench import PERIOD_NS, StreamBench
from rtl_sim.tokenizer_stimulus import corner_signals, in_step_order, step_order
from rtl_sim.tokenizer_variants import SPECS
from rtl_sim.variants import block_under_test

NAMES = (
    "ind_tiny",
    "ind_int4_two_channels",
    "one_wavelet_per_octave",
    "odd_pairs_one_channel",
    "one_octave",
    "learned_centres",
)
VARIANTS = {name: lambda spec=SPECS[name]: WaveletBank(spec) for name in NAMES}


def golden_steps(samples, spec):
    """Every step's sums as the stream carries them."""
    octaves = [filter_sums(signal, spec) for signal in octave_samples(samples, spec)]
    return [[{"cosine": int(c), "sine": int(s)} for c, s in step] for step in in_step_order(octaves, spec)]


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_filter_sum_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    samples = corner_signals(block.spec, tokens=6, seed=7)
    expected = golden_steps(samples, block.spec)
    assert await StreamBench(dut, stall, block=block).run(samples.ravel().tolist(), len(expected)) == expected


@cocotb.test()
async def a_reset_forgets_every_sample(dut):
    block = block_under_test(VARIANTS)
    samples = corner_signals(block.spec, tokens=2, seed=3)
    expected = golden_steps(samples, block.spec)
    bench = StreamBench(dut, block=block)
    await bench.run(samples.ravel().tolist(), len(expected))
    assert await bench.run(samples.ravel().tolist(), len(expected)) == expected


@cocotb.test()
async def even_frames_take_a_cycle_per_sample_and_steps_take_two(dut):
    block = block_under_test(VARIANTS)
    spec = block.spec
    samples = corner_signals(spec, tokens=4, seed=1)
    bench = StreamBench(dut, block=block)
    steps = list(step_order(len(samples) // 2, spec))
    await bench.run(samples.ravel().tolist(), len(steps))
    completing = bench.transfer_ns["i"][spec.channels]  # the first sample of the second frame
    assert (bench.transfer_ns["o"][0] - completing) // PERIOD_NS == block.latency_cycles
    last_chain = 1 + next(o for o in range(len(steps)) if steps[-1 - o][2] == 0)
    assert bench.cycles("i") == len(samples) // 2 * spec.channels + 2 * (len(steps) - last_chain) + 1
