"""The spatial filter equals its golden twin: corners of weights and samples, loaded and preset, under every stall pattern."""

from dataclasses import replace

import cocotb
import numpy as np

from designs.ind_tiny import IND_TINY
from designs.number_format import IntFormat
from designs.schema import SpatialSpec, TokenizerSpec
from hw.plan.memory import Region
from hw.plan.spatial import spatial_layout, weight_rows
from hw.rtl.spatial_filter import SpatialFilter
from quant.golden.spatial_filter import spatial_filter
from rtl_sim import stalls
from rtl_sim.load_bus import load_regions
from rtl_sim.stimulus import corners_then_random
from rtl_sim.stream_bench import StreamBench
from rtl_sim.tokenizer_stimulus import pack_rows
from rtl_sim.variants import block_under_test

FRAMES = 24


def spec_of(channels: int, virtual: int, bits: int = 8) -> TokenizerSpec:
    """A tokenizer of which the filter alone is used."""
    return replace(IND_TINY.tokenizer, channels=channels, spatial=SpatialSpec(virtual, IntFormat(bits)))


def weight_format(spec: TokenizerSpec) -> IntFormat:
    assert spec.spatial is not None
    return spec.spatial.weight


def weights_of(spec: TokenizerSpec, seed: int) -> np.ndarray:
    """int64 [virtual channels, channels]: the first at the format's least, the last at its most, corners and random ones."""
    format, virtual = weight_format(spec), spec.bank_channels
    found = corners_then_random(format, virtual * spec.channels, seed).reshape(virtual, spec.channels)
    found[0], found[-1] = format.min, format.max
    return found


def words_of(weight: np.ndarray, spec: TokenizerSpec) -> list[int]:
    """The words of the region `spatial_weight`."""
    bits = weight_format(spec).bits
    return pack_rows(weight_rows(weight, spec) & ((1 << bits) - 1), bits)


def block_of(spec: TokenizerSpec, shift: int) -> SpatialFilter:
    layout = spatial_layout(spec)
    region = Region("spatial_weight", 1, layout.words(spec.channels), layout.lanes * weight_format(spec).bits)
    return SpatialFilter(spec, region, shift=shift, init=words_of(weights_of(spec, seed=1), spec))


VARIANTS = {
    "fewer_than_channels": lambda: block_of(spec_of(9, 4), shift=8),
    "more_than_a_word": lambda: block_of(spec_of(5, 10), shift=9),
    "unevenly_filled": lambda: block_of(spec_of(10, 19), shift=8),
    "one_by_one": lambda: block_of(spec_of(1, 1), shift=0),
    "narrow_weights": lambda: block_of(spec_of(28, 8, bits=4), shift=6),
    "implant": lambda: block_of(spec_of(64, 24), shift=13),
}


def frames_of(spec: TokenizerSpec) -> np.ndarray:
    """int64 [frames, channels]: all least, all most, the signs of the first and last virtual channel, then any."""
    sample = spec.sample
    found = corners_then_random(sample, FRAMES * spec.channels, seed=2).reshape(FRAMES, spec.channels)
    found[0], found[1] = sample.min, sample.max
    found[2] = np.where(weights_of(spec, seed=1)[-1] > 0, sample.max, sample.min)
    return found


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_virtual_channel_equals_the_golden_model(dut, stall):
    block = block_under_test(VARIANTS)
    frames = frames_of(block.spec)
    expected = spatial_filter(frames, weights_of(block.spec, seed=1), block.shift, block.spec)
    assert {block.spec.sample.min, block.spec.sample.max} & set(expected.ravel().tolist())
    found = await StreamBench(dut, stall, block=block).run(frames.ravel().tolist(), expected.size)
    assert found == expected.ravel().tolist()


@cocotb.test()
async def loaded_weights_are_used(dut):
    block = block_under_test(VARIANTS)
    frames, weight = frames_of(block.spec), weights_of(block.spec, seed=5)[:, ::-1]
    before = spatial_filter(frames, weights_of(block.spec, seed=1), block.shift, block.spec)
    expected = spatial_filter(frames, weight, block.shift, block.spec)
    bench = StreamBench(dut, block=block)
    assert await bench.run(frames.ravel().tolist(), before.size) == before.ravel().tolist()
    [region] = block.weights.regions
    await load_regions(dut, [region], {region.name: words_of(weight, block.spec)})
    assert await bench.run(frames.ravel().tolist(), expected.size, reset=False) == expected.ravel().tolist()


@cocotb.test()
async def a_frame_takes_its_words_and_its_virtual_channels(dut):
    block = block_under_test(VARIANTS)
    spec, frames = block.spec, frames_of(block.spec)
    bench = StreamBench(dut, block=block)
    await bench.run(frames.ravel().tolist(), FRAMES * spec.bank_channels)
    per_frame = spatial_layout(spec).words(spec.channels) + spec.bank_channels
    assert bench.cycles("i") <= FRAMES * per_frame
    assert bench.cycles("i") > (FRAMES - 1) * per_frame
