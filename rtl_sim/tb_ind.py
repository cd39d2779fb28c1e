"""The whole decoder equals its golden twin: from samples to decisions, at every tap, under every stall pattern."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import cycle, pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from designs.number_format import IntFormat
from designs.schema import Design
from hw.plan.folding import fold
from hw.plan.memory import find_region, load_frame, load_frames, load_words
from hw.plan.taps import Tap, taps
from hw.rtl.ind import Ind
from quant.golden.parameters import IntegerParameters
from quant.golden.trace import Trace, tokens_of, trace_samples
from rtl_sim import stalls
from rtl_sim.backends import with_backend
from rtl_sim.random_parameters import random_parameters, random_samples
from rtl_sim.small_designs import SMALL
from rtl_sim.variants import block_under_test

WINDOWS = 4
SEED, SEEDS = 11, {"preprocessed": 8, "mixed": 1, "streaming": 1, "streaming_int8": 50, "streaming_one_row": 6}
"""Such that the windows of a test are decided differently."""
PERIOD_NS = 10
CYCLES_MAX = 200_000


@cache
def case(name: str, backend: str) -> tuple[Design, IntegerParameters]:
    """Design and random parameters."""
    design = with_backend(SMALL.get(name, name), backend)
    return design, random_parameters(design, seed=SEEDS.get(name, SEED))


def small(name: str, backend: str, *, preloaded: bool = False) -> Callable[[], Ind]:
    """One of SMALL."""
    return lambda: Ind(*case(name, backend), preloaded=preloaded)


VARIANTS: dict[str, Callable[[], Ind]] = {
    "ind_tiny": lambda: Ind(*case("ind_tiny", "engine")),
    "ind_tiny_loaded": lambda: Ind(*case("ind_tiny", "engine"), preloaded=False),
    "preprocessed_preset": small("preprocessed", "engine", preloaded=True),
    "ind_tiny_pipeline": lambda: Ind(*case("ind_tiny", "amaranth")),
    "ind_tiny_pipeline_loaded": lambda: Ind(*case("ind_tiny", "amaranth"), preloaded=False),
    **{f"{name}_engine": small(name, "engine") for name in SMALL},
    "counts_pipeline": small("counts", "amaranth"),
}


def case_of(ind: Ind) -> tuple[Design, IntegerParameters]:
    """What a variant was made from."""
    return case(ind.design.name, ind.design.hardware.backend)


def signed(bits: int, format: IntFormat) -> int:
    """Bits of a payload -> its value."""
    return bits - (1 << format.bits) if format.signed and bits >> (format.bits - 1) else bits


def lanes_of(tap: Tap, payload: int) -> list[int]:
    """The values of one transfer, lane 0 first."""
    format = tap.stream.format
    lanes = [payload >> (lane * tap.stride) & ((1 << format.bits) - 1) for lane in range(tap.lanes)]
    return [signed(bits, format) for bits in lanes]


class Decoder:
    """Drives the decoder's ports, one clock edge at a time, and writes down every transfer at its taps."""

    def __init__(self, dut: Any, design: Design, stall: stalls.Stall):
        self._dut, self._stall = dut, stall
        self._taps = [(tap, *(getattr(dut, f"tap_{tap.name}_{part}") for part in ("payload", "valid"))) for tap in taps(design)]
        self.seen: dict[str, list[int]] = {tap.name: [] for tap in taps(design)}
        self.decisions: list[int] = []
        self.readout: list[int] = []
        self.cycle = 0
        self.sample_cycles: list[int] = []
        self.decision_cycles: list[int] = []

    async def start(self, *, clock: bool = True) -> None:
        """Clock, unless it runs already, and reset."""
        dut = self._dut
        if clock:
            Clock(dut.clk, PERIOD_NS, unit="ns").start()
        for port in ("s_axis_tvalid", "s_axis_tdata", "m_axis_tready", "load_tvalid", "load_tdata", "armed"):
            getattr(dut, port).value = 0
        dut.rst.value = 1
        for _ in range(2):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)

    async def load(self, frames: bytes) -> None:
        """Send load frames."""
        for byte in frames:
            self._dut.load_tdata.value = byte
            self._dut.load_tvalid.value = 1
            await RisingEdge(self._dut.clk)
            waited = 0
            while not int(self._dut.load_tready.value):
                await RisingEdge(self._dut.clk)
                waited += 1
                assert waited < CYCLES_MAX, "stuck: the load port takes no byte"
        self._dut.load_tvalid.value = 0
        for _ in range(4):
            await RisingEdge(self._dut.clk)

    async def decode(self, samples: Sequence[int], values: int) -> None:
        """Offer all samples, take readout values until there are `values`; both sides held back by the stall pattern."""
        dut, offers, takes = self._dut, self._stall(1), self._stall(2)
        waiting, offered = iter(samples), False
        dut.m_axis_tready.value = int(next(takes))
        while len(self.readout) < values:
            if not offered and next(offers):
                sample = next(waiting, None)
                if sample is not None:
                    dut.s_axis_tdata.value, offered = sample & 0xFFFF, True
            dut.s_axis_tvalid.value = int(offered)
            await RisingEdge(dut.clk)
            self.cycle += 1
            assert self.cycle < CYCLES_MAX, f"stuck: { ({name: len(found) for name, found in self.seen.items()}) }"
            if offered and int(dut.s_axis_tready.value):
                self.sample_cycles.append(self.cycle)
                offered = False
            self._note()
            dut.m_axis_tready.value = int(next(takes))
        dut.m_axis_tready.value = 0
        await RisingEdge(dut.clk)  # taps show the cycle before
        self._note()

    def _note(self) -> None:
        for tap, payload, valid in self._taps:
            if int(valid.value):
                self.seen[tap.name] += lanes_of(tap, int(payload.value))
        dut = self._dut
        if int(dut.m_axis_tvalid.value) and int(dut.m_axis_tready.value):
            self.readout.append(signed(int(dut.m_axis_tdata.value), IntFormat(32)))
            if int(dut.m_axis_tlast.value):
                self.decisions.append(int(dut.m_axis_tuser.value))
                self.decision_cycles.append(self.cycle)


def first_difference(design: Design, found: dict[str, list[int]], expected: Trace) -> str:
    """Empty where every tap saw exactly the golden integers, else the first difference in the order of the flow."""
    for tap in taps(design):
        name, golden = tap.name, tap.in_order(expected[tap.name]).reshape(-1).tolist()
        for index, (got, want) in enumerate(zip(found[name], golden, strict=False)):
            if got != want:
                return f"{name}: value {index} is {got}, golden {want}"
        if len(found[name]) != len(golden):
            return f"{name}: {len(found[name])} values, golden {len(golden)}"
    return ""


async def loaded_decoder(dut: Any, ind: Ind, stall: stalls.Stall, *, clock: bool = True) -> Decoder:
    """The decoder after reset, its weights in place. Before they are, it takes no sample."""
    design, parameters = case_of(ind)
    decoder = Decoder(dut, design, stall)
    await decoder.start(clock=clock)
    if not int(dut.loaded.value):
        dut.s_axis_tvalid.value = 1
        for _ in range(4):
            await RisingEdge(dut.clk)
            assert not int(dut.s_axis_tready.value), "a sample is taken before the weights are loaded"
        dut.s_axis_tvalid.value = 0
        await decoder.load(load_frames(parameters, fold(design)))
    assert int(dut.loaded.value)
    return decoder


def samples_of(design: Design) -> np.ndarray:
    """Samples whose windows are decided differently, one of them for the last class. With preprocessing a channel dies on the
    way and lives again."""
    samples = random_samples(design, tokens=design.model.tokens + WINDOWS - 1, seed=6)
    if design.tokenizer.preprocess:
        samples[100:300, 0] = samples[100, 0]
    return samples


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_tap_equals_the_golden_model(dut, stall):
    ind = block_under_test(VARIANTS)
    design, parameters = case_of(ind)
    samples = samples_of(design)
    decoder = await loaded_decoder(dut, ind, stall)
    await decoder.decode(samples.reshape(-1).tolist(), WINDOWS * design.model.outputs)
    golden = trace_samples(samples, parameters)
    assert not first_difference(design, decoder.seen, golden)
    assert decoder.readout == golden["readout"].reshape(-1).tolist()
    if design.model.regression:
        assert len(set(golden["readout"].reshape(-1).tolist())) >= WINDOWS
        assert decoder.decisions == [0] * WINDOWS
        return
    decisions = golden["decision"].reshape(-1).tolist()
    assert len(set(decisions)) > 2 and design.model.outputs - 1 in decisions
    assert decoder.decisions == decisions


@cocotb.test()
async def a_reset_on_the_way_starts_over(dut):
    ind = block_under_test(VARIANTS)
    design, parameters = case_of(ind)
    samples = samples_of(design)
    interrupted = await loaded_decoder(dut, ind, stalls.never)
    await interrupted.decode(samples.reshape(-1).tolist(), design.model.outputs + 1)
    decoder = await loaded_decoder(dut, ind, stalls.never, clock=False)
    await decoder.decode(samples.reshape(-1).tolist(), WINDOWS * design.model.outputs)
    assert not first_difference(design, decoder.seen, trace_samples(samples, parameters))


@cocotb.test()
async def decisions_come_within_the_cycle_budget(dut):
    ind = block_under_test(VARIANTS)
    design, _ = case_of(ind)
    decoder = await loaded_decoder(dut, ind, stalls.never)
    await decoder.decode(samples_of(design).reshape(-1).tolist(), WINDOWS * design.model.outputs)
    intervals = [later - sooner for sooner, later in pairwise(decoder.decision_cycles)]
    dut._log.info("cycles per decision %s", intervals)
    dut._log.info("cycles from last sample to decision %s", decoder.decision_cycles[-1] - decoder.sample_cycles[-1])
    assert max(intervals) <= design.hardware.stage_cycles


def with_readout(parameters: IntegerParameters, seed: int) -> IntegerParameters:
    """The same decoder with another last layer of the same shift."""
    other = random_parameters(parameters.design, seed=seed).linear["readout"]
    return replace(
        parameters, linear=parameters.linear | {"readout": replace(parameters.linear["readout"], weight=other.weight)}
    )


def frame_of(region: str, parameters: IntegerParameters) -> bytes:
    design, folding = parameters.design, fold(parameters.design)
    return load_frame(find_region(design, folding, region), load_words(parameters, folding)[region])


def spoilt_frame(region: str, parameters: IntegerParameters) -> bytes:
    """With one wrong bit in its checksum."""
    frame = bytearray(frame_of(region, parameters))
    frame[-1] ^= 1
    return bytes(frame)


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def a_readout_is_changed_between_two_decisions_while_it_decodes(dut, stall):
    ind = block_under_test(VARIANTS)
    design, before = case_of(ind)
    if design.hardware.backend != "engine":
        return
    after, outputs = with_readout(before, seed=77), design.model.outputs
    samples = random_samples(design, tokens=design.model.tokens + 11, seed=9)
    old, new = (trace_samples(samples, one)["readout"].reshape(-1, outputs).tolist() for one in (before, after))
    assert all(one != other for one, other in zip(old, new, strict=True))
    decoder = await loaded_decoder(dut, ind, stall)
    frame, spoilt = frame_of("readout", after), spoilt_frame("readout", after)

    async def recalibrate() -> None:
        while len(decoder.readout) < 2 * outputs:
            await RisingEdge(dut.clk)
        await decoder.load(spoilt)  # leaves the words in use alone
        assert int(dut.load_error.value) and int(dut.loaded.value)
        dut.armed.value = 1
        await decoder.load(frame)
        assert int(dut.load_refused.value) and int(dut.loaded.value)
        dut.armed.value = 0
        while len(decoder.readout) < 5 * outputs:
            await RisingEdge(dut.clk)
        while len(decoder.readout) < 11 * outputs:  # one behind the other: each waits until the one before it is in use
            for one in (frame, frame_of("readout", before), frame):
                await decoder.load(one)
                assert int(dut.loaded.value) and not int(dut.load_error.value)

    loading = cocotb.start_soon(recalibrate())
    await decoder.decode(samples.reshape(-1).tolist(), 12 * outputs)
    dut.m_axis_tready.value = 1
    await loading
    found = [decoder.readout[at : at + outputs] for at in range(0, 12 * outputs, outputs)]
    which = [
        "old" if one == was else "new" if one == will else "neither" for one, was, will in zip(found, old, new, strict=True)
    ]
    assert which[:5] == ["old"] * 5 and "new" in which and "neither" not in which, which
    await decoder.load(frame_of("readout", before))  # as it was: what is preset comes with power alone
    assert int(dut.loaded.value) and not int(dut.load_error.value)


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def token_shifts_are_changed_between_two_tokens_while_it_decodes(dut, stall):
    ind = block_under_test(VARIANTS)
    design, before = case_of(ind)
    if design.tokenizer.ready:
        return
    after = replace(before, token_shift=(before.token_shift + 1) % (design.tokenizer.bank.token_shift.max + 1))
    features, outputs = design.tokenizer.features, design.model.outputs
    samples = random_samples(design, tokens=design.model.tokens + 11, seed=9)
    old, new = (tokens_of(samples, one).tolist() for one in (before, after))
    assert all(one != other for one, other in zip(old, new, strict=True))
    decoder = await loaded_decoder(dut, ind, stall)

    async def recalibrate() -> None:
        while len(decoder.seen["tokens"]) < 3 * features:
            await RisingEdge(dut.clk)
        await decoder.load(spoilt_frame("token_shift", after))  # leaves the shifts in use alone
        assert int(dut.load_error.value) and int(dut.loaded.value)
        turns = cycle((after, before))
        while len(decoder.readout) < 9 * outputs:
            await decoder.load(frame_of("token_shift", next(turns)))
            assert int(dut.loaded.value) and not int(dut.load_error.value)
            enough = len(decoder.seen["tokens"]) + 2 * features  # of these one at least is wholly under the new shifts
            while len(decoder.seen["tokens"]) < enough and len(decoder.readout) < 9 * outputs:
                await RisingEdge(dut.clk)

    loading = cocotb.start_soon(recalibrate())
    await decoder.decode(samples.reshape(-1).tolist(), 12 * outputs)
    await loading
    seen = decoder.seen["tokens"]
    found = [seen[at : at + features] for at in range(0, len(old) * features, features)]
    which = [
        "old" if one == was else "new" if one == will else "neither" for one, was, will in zip(found, old, new, strict=True)
    ]
    assert which[:3] == ["old"] * 3 and {*which} == {"old", "new"}, which
    await decoder.load(frame_of("token_shift", before))  # as it was: what is preset comes with power alone
    assert int(dut.loaded.value) and not int(dut.load_error.value)
