"""The pool's token values equal the golden weights and rounding, and come once per index and token."""

import cocotb
import numpy as np

from hw.plan.memory import Region
from hw.rtl.pool import Pool
from quant.golden.pool import pool_weights
from quant.golden.requantize import requantize
from rtl_sim import stalls
from rtl_sim.load_bus import alternate_banks
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import StreamBench
from rtl_sim.tokenizer_stimulus import pack_rows, step_order
from rtl_sim.tokenizer_variants import SPECS
from rtl_sim.variants import block_under_test


def shifts_of(spec) -> np.ndarray:
    """int64 [channels * octaves, wavelets_per_octave]: every shift in turn, among ones that suit the pool."""
    count = spec.channels * spec.wavelets
    useful = np.arange(count) % 8 + spec.pool.bits - spec.token.bits - 3
    every, useful = np.arange(count) % (spec.token_shift.max + 1), np.minimum(useful, spec.token_shift.max)
    return np.where(np.arange(count) % 3 == 0, every, useful).reshape(-1, spec.wavelets_per_octave)


def _pool(spec) -> Pool:
    shifts = shifts_of(spec)
    region = Region("token_shift", 0, len(shifts), spec.token_shift.bits * spec.wavelets_per_octave, bank=0)
    return Pool(spec, region, init=pack_rows(shifts, spec.token_shift.bits))


NAMES = ("ind_tiny", "ind_int4_two_channels", "step_as_long_as_token", "odd_pairs_one_channel", "one_octave")
VARIANTS = {name: lambda spec=SPECS[name]: _pool(spec) for name in NAMES}


def magnitudes_of(spec, tokens: int, seed: int) -> np.ndarray:
    """int64 [steps, wavelets_per_octave]: a token of largest magnitudes, one of zeros, then every size."""
    steps = sum(1 for _ in step_order(tokens * spec.token_pairs, spec))
    values = corners_then_random(spec.magnitude, steps * spec.wavelets_per_octave, seed).reshape(steps, -1)
    values[: steps // tokens], values[steps // tokens : 2 * steps // tokens] = spec.magnitude.max, 0
    return values


def golden_tokens(values: np.ndarray, tokens: int, spec, shifts: np.ndarray | None = None) -> list[dict]:
    """The pool's transfers: each octave's sums at its last step of a token. shifts: `shifts_of` unless others are loaded."""
    shifts = shifts_of(spec) if shifts is None else shifts
    weights = [pool_weights(spec, octave) for octave in range(spec.octaves)]
    sums, transfers = np.zeros((spec.channels * spec.octaves, spec.wavelets_per_octave), np.int64), []
    for value, (pair, channel, octave) in zip(values, step_order(tokens * spec.token_pairs, spec), strict=True):
        now, after, last = weights[octave][pair % spec.token_pairs]
        index = channel * spec.octaves + octave
        sums[index] += now * value
        if last:
            token = [int(requantize(total, shift, spec.token)) for total, shift in zip(sums[index], shifts[index], strict=True)]
            transfers.append({"index": index, "values": token})
            sums[index] = after * value
    return transfers


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_token_value_equals_the_golden_model(dut, stall):
    block, tokens = block_under_test(VARIANTS), 6
    values = magnitudes_of(block.spec, tokens, seed=7)
    expected = golden_tokens(values, tokens, block.spec)
    assert len(expected) == tokens * block.spec.channels * block.spec.octaves
    assert await StreamBench(dut, stall, block=block).run(values.tolist(), len(expected)) == expected


@cocotb.test()
async def a_reset_forgets_every_sum(dut):
    block = block_under_test(VARIANTS)
    values = magnitudes_of(block.spec, 2, seed=3)
    expected = golden_tokens(values, 2, block.spec)
    bench = StreamBench(dut, block=block)
    await bench.run(values[::-1].tolist(), len(expected))
    assert await bench.run(values.tolist(), len(expected)) == expected


@cocotb.test()
async def a_step_takes_two_cycles(dut):
    block = block_under_test(VARIANTS)
    values = magnitudes_of(block.spec, 3, seed=1)
    bench = StreamBench(dut, block=block)
    await bench.run(values.tolist(), 3 * block.spec.channels * block.spec.octaves)
    assert bench.cycles("i") == 2 * len(values) - 1


@cocotb.test()
async def a_loaded_shift_is_used(dut):
    block = block_under_test(VARIANTS)
    spec, cycle = block.spec, cocotb.triggers.RisingEdge(dut.clk)
    values = np.full_like(magnitudes_of(spec, 2, seed=1), 3)
    bench = StreamBench(dut, block=block)
    await bench.reset()
    dut.bus__region.value, dut.bus__address.value = block.token_shift.index, 0
    dut.bus__data.value, dut.bus__strobe.value = (1 << block.token_shift.width) - 1, 1
    await cycle
    dut.bus__strobe.value = 0
    found = await bench.run(values.tolist(), 2 * spec.channels * spec.octaves, reset=False)
    restored = pack_rows(shifts_of(spec), spec.token_shift.bits)[0]
    dut.bus__data.value, dut.bus__strobe.value = restored, 1
    await cycle
    dut.bus__strobe.value = 0
    expected = golden_tokens(values, 2, spec)
    zeros = [0] * spec.wavelets_per_octave
    assert found == [entry if entry["index"] else {"index": 0, "values": zeros} for entry in expected]


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def loaded_shifts_replace_all_others_between_two_tokens(dut, stall):
    block, tokens = block_under_test(VARIANTS), 12
    spec, region = block.spec, block.token_shift
    count = spec.channels * spec.octaves
    pair = [shifts_of(spec), (shifts_of(spec) + 1) % (spec.token_shift.max + 1)]
    values = magnitudes_of(spec, tokens, seed=5)
    golden = [golden_tokens(values, tokens, spec, shifts) for shifts in pair]
    bench = StreamBench(dut, stall, block=block)
    await bench.reset()
    words = [pack_rows(shifts, spec.token_shift.bits) for shifts in pair]
    loading = cocotb.start_soon(alternate_banks(dut, region, words))
    found = await bench.run(values.tolist(), tokens * count, reset=False)
    loading.cancel()
    which = []
    for at in range(0, tokens * count, count):
        token = found[at : at + count]
        which.append([token == one[at : at + count] for one in golden])
    assert all(any(matches) for matches in which), which
    assert [True, False] in which and [False, True] in which, which
    await bench.reset()  # chooses the first bank again, which holds what it was preset to
    assert not int(dut.bus__bank.value) and not int(dut.bus__strobe.value)
