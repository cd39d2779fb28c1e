"""Multirate Morlet bank: samples -> filter sums, one step of one octave at a time (docs/blocks/wavelet_bank.md)."""

import numpy as np
from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from designs.number_format import IntFormat, enclosing
from designs.schema import TokenizerSpec
from hw.rtl.mac_array import chosen
from hw.rtl.payloads import shape_of
from hw.rtl.requantize import half_up_shift, round_shift
from hw.rtl.shift_add import weighted_sum
from hw.rtl.single_port_memory import SinglePortMemory
from hw.rtl.step_order import StepOrder
from quant.golden.morlet import HALF_BAND, HALF_BAND_SHIFT, kernel_shift, morlet_kernels
from quant.golden.requantize import round_shift as golden_round_shift


def filter_format(spec: TokenizerSpec) -> IntFormat:
    """The narrowest format of a rounded filter sum, proved from the taps and the sample format."""
    bounds = [
        sum(tap * (high if tap > 0 else low) for tap in part)
        for kernel in morlet_kernels(spec)
        for part in (kernel.even, kernel.odd)
        for low, high in ((spec.sample.min, spec.sample.max), (spec.sample.max, spec.sample.min))
    ]
    shift = kernel_shift(spec)
    lowest, highest = golden_round_shift(np.array([min(bounds), max(bounds)]), shift).tolist()
    return enclosing(lowest, highest)


def filter_layout(spec: TokenizerSpec) -> data.ArrayLayout:
    """One step's filter sums: `cosine` and `sine` of each wavelet of the octave, highest centre first."""
    shape = shape_of(filter_format(spec))
    return data.ArrayLayout(data.StructLayout({"cosine": shape, "sine": shape}), spec.wavelets_per_octave)


class WaveletBank(wiring.Component):
    """Samples to filter sums; all octaves share the constant kernels, each runs at half the rate of the one above.

    i: stream of samples, [samples, channels] row-major.  o: stream of `filter_layout`, one step per transfer in the order of
    hw.rtl.step_order. Even frames wait in the pair memory, one cycle per sample; on odd frames each sample completes a pair
    and starts its channel's steps, two cycles each: read the octave's last taps, write the pair in place of the oldest one.
    Latency 3 cycles from the sample that completes a pair to its first filter sums. Golden twin: quant.golden.wavelet_bank.
    """

    latency_cycles = 3

    def __init__(self, spec: TokenizerSpec):
        self.spec = spec
        super().__init__({"i": In(stream.Signature(shape_of(spec.sample))), "o": Out(stream.Signature(filter_layout(spec)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.order = order = StepOrder(spec)
        m.submodules.pair = pair = SinglePortMemory(depth=spec.channels, width=spec.sample.bits)
        m.submodules.step = step = BankStep(spec)
        parts = [
            SinglePortMemory(depth=spec.channels * spec.octaves, width=len(pairs) * 2 * spec.sample.bits)
            for pairs in state_parts(spec)
        ]
        for number, part in enumerate(parts):
            m.submodules[f"state_{number}"] = part
        wiring.connect(m, wiring.flipped(self.o), step.o)

        column, odd, read, write = Signal(range(spec.channels)), Signal(), Signal(), Signal()
        slots = Array(Signal(range(state_pairs(spec)), name=f"slot_{octave}") for octave in range(spec.octaves))
        slot = Signal(range(state_pairs(spec)))
        with m.If(read):  # so that the window changes once per step, with what is read
            m.d.sync += slot.eq(slots[order.octave])
        with m.If(order.advance & (column == spec.channels - 1)):
            m.d.sync += slots[order.octave].eq(Mux(slot == state_pairs(spec) - 1, 0, slot + 1))
        for part, pairs in zip(parts, state_parts(spec), strict=True):
            low, high = pairs[0] * 2 * spec.sample.bits, (pairs[-1] + 1) * 2 * spec.sample.bits
            here = Cat(*(slot == place for place in pairs)).any()
            m.d.comb += [
                part.address.eq(order.address),
                part.enable.eq(read | (write & (order.first | here))),
                part.write.eq(write),
                part.write_data.eq(step.to_store[low:high]),
                step.stored[low:high].eq(part.read_data),
            ]
        m.d.comb += [
            pair.address.eq(column),
            pair.write_data.eq(self.i.payload),
            step.later.eq(self.i.payload),
            step.earlier.eq(pair.read_data),
            step.slot.eq(slot),
            step.first.eq(order.first),
            step.is_top.eq(order.octave == 0),
            step.follows.eq(order.follows),
        ]
        with m.FSM():
            with m.State("SAMPLE"):
                m.d.comb += [self.i.ready.eq(1), pair.enable.eq(self.i.valid), pair.write.eq(~odd)]
                with m.If(self.i.valid & ~odd):
                    self._next_column(m, column, odd)
                with m.If(self.i.valid & odd):
                    m.d.comb += [read.eq(1), step.keep.eq(1)]
                    m.next = "WRITE"
            with m.State("READ"):
                m.d.comb += read.eq(1)
                m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += step.take.eq(1)
                with m.If(step.taken):
                    m.d.comb += [write.eq(1), order.advance.eq(1)]
                    with m.If(order.follows):
                        m.next = "READ"
                    with m.Else():
                        self._next_column(m, column, odd)
                        m.next = "SAMPLE"
        return m

    def _next_column(self, m: Module, column: Signal, odd: Signal) -> None:
        m.d.sync += column.eq(column + 1)
        with m.If(column == self.spec.channels - 1):
            m.d.sync += [column.eq(0), odd.eq(~odd)]


PART_BITS = 48
"""Width of a memory of the state, at most: that of the macro of IHP SG13G2 in which a bit is written at least cost."""


def state_pairs(spec: TokenizerSpec) -> int:
    """Pairs of samples that an octave keeps between two steps: a ring, in which the newest takes the place of the oldest."""
    return spec.taps // 2 - 1


def state_bits(spec: TokenizerSpec) -> int:
    """Of the samples that an octave keeps between two steps."""
    return state_pairs(spec) * 2 * spec.sample.bits


def state_parts(spec: TokenizerSpec) -> list[range]:
    """Pairs that share a memory: a step reads all memories, but writes the one that holds its pair."""
    size = max(1, PART_BITS // (2 * spec.sample.bits))
    return [range(first, min(first + size, state_pairs(spec))) for first in range(0, state_pairs(spec), size)]


class BankStep(wiring.Component):
    """One step's data: the window, its filter sums, and the pair for the next octave where that follows.

    keep: `later` is the sample that completes a pair; `earlier`: the one before it. is_top: the step takes that pair, otherwise
    the one that the step before made for it. stored: the ring of the octave's last pairs, none of which count at the `first`
    step; slot: the place of the oldest one; to_store: the ring with this step's pair there. take: make the step; taken: it is
    made in this cycle. o: stream of `filter_layout`.
    A module of its own, without the memories, so that its busy wires are short.
    """

    def __init__(self, spec: TokenizerSpec):
        self.spec = spec
        sample = spec.sample.bits
        super().__init__(
            {
                "later": In(sample),
                "keep": In(1),
                "earlier": In(sample),
                "is_top": In(1),
                "stored": In(state_bits(spec)),
                "slot": In(range(state_pairs(spec))),
                "first": In(1),
                "to_store": Out(state_bits(spec)),
                "follows": In(1),
                "take": In(1),
                "taken": Out(1),
                "o": Out(stream.Signature(filter_layout(spec))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, bits = self.spec, self.spec.sample.bits
        m.submodules.filters = filters = FilterSums(spec)
        wiring.connect(m, wiring.flipped(self.o), filters.o)
        sample, lower = Signal(bits, reset_less=True), Signal(2 * bits, reset_less=True)
        window, decimator_window = filters.i.payload, Signal.like(filters.i.payload)
        count, new = state_pairs(spec), Mux(self.is_top, Cat(self.earlier, sample), lower)
        ring, stored = [], Mux(self.first, 0, self.stored)
        for place in range(count):
            ring.append(stored[place * 2 * bits : (place + 1) * 2 * bits])
        here = [self.slot == place for place in range(count)]
        oldest_first = [chosen([ring[(place + age) % count] for place in range(count)], Cat(*here)) for age in range(count)]
        m.d.comb += [
            window.eq(Cat(*(Value.cast(pair)[: 2 * bits] for pair in oldest_first), new)),
            self.to_store.eq(Cat(*(Mux(here[place], new, ring[place]) for place in range(count)))),
            filters.i.valid.eq(self.take),
            self.taken.eq(self.take & filters.i.ready),
        ]
        with m.If(self.take & self.follows):  # every second step alone
            m.d.comb += decimator_window.eq(window)
        with m.If(self.keep):
            m.d.sync += sample.eq(self.later)
        with m.If(self.taken & self.follows):
            m.d.sync += lower.eq(half_band_pair(m, decimator_window, spec))
        return m


class FilterSums(wiring.Component):
    """A window of `taps` samples to the sums of all kernels.

    i: stream of [taps] samples, oldest first.  o: stream of `filter_layout`. Symmetric taps share a multiplier: samples at
    equal distance from the middle are added (cosine) and subtracted (sine) into a register, then multiplied by shifts and
    adds, summed and rounded into the next. Latency 2 cycles, throughput 1 window per cycle; registers move with data only.
    """

    latency_cycles = 2

    def __init__(self, spec: TokenizerSpec):
        self.spec = spec
        window = data.ArrayLayout(shape_of(spec.sample), spec.taps)
        super().__init__({"i": In(stream.Signature(window)), "o": Out(stream.Signature(filter_layout(spec)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, half = self.spec, self.spec.taps // 2
        window, folded = self.i.payload, Signal()
        shape = signed(spec.sample.bits + 1)
        added = [Signal(shape, name=f"added_{tap}", reset_less=True) for tap in range(half)]
        differed = [Signal(shape, name=f"differed_{tap}", reset_less=True) for tap in range(half)]
        result = Signal(filter_layout(spec), reset_less=True)
        sums_free = ~self.o.valid | self.o.ready
        m.d.comb += [self.i.ready.eq(~folded | sums_free), self.o.payload.eq(result)]
        with m.If(self.i.ready):
            m.d.sync += folded.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            for tap in range(half):
                m.d.sync += added[tap].eq(window[tap] + window[spec.taps - 1 - tap])
                m.d.sync += differed[tap].eq(window[tap] - window[spec.taps - 1 - tap])
        with m.If(sums_free):
            m.d.sync += self.o.valid.eq(folded)
        for kernel, sums in zip(morlet_kernels(spec), result, strict=True):
            cosine = round_shift(m, weighted_sum(added, kernel.even[:half]), kernel_shift(spec))
            sine = round_shift(m, weighted_sum(differed, kernel.odd[:half]), kernel_shift(spec))
            with m.If(sums_free & folded):
                m.d.sync += [sums.cosine.eq(cosine), sums.sine.eq(sine)]
        return m


def half_band_pair(m: Module, window: data.View, spec: TokenizerSpec) -> Value:
    """The two samples of the next octave that end two samples before the window's end, and at it."""
    reach, pair = len(HALF_BAND), []
    for end in (spec.taps - 2, spec.taps):
        samples = [window[tap] for tap in range(end - reach, end)]
        folded = [samples[tap] + samples[reach - 1 - tap] for tap in range(reach // 2)] + [samples[reach // 2]]
        acc = weighted_sum(folded, HALF_BAND[: reach // 2 + 1])
        pair.append(half_up_shift(m, acc, HALF_BAND_SHIFT, spec.sample))
    return Cat(*pair)
