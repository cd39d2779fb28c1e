"""Samples freed of drift, scaled per channel, zero where a channel is dead (docs/blocks/preprocess.md)."""

from collections.abc import Iterable

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from designs.schema import GAIN_BITS, TokenizerSpec
from hw.plan.memory import GAIN_SHIFT_BITS, TWOFOLD, Region
from hw.rtl.bank_in_use import BankInUse
from hw.rtl.load_port import LoadBus
from hw.rtl.loadable_memory import LoadableMemory
from hw.rtl.payloads import shape_of
from hw.rtl.requantize import half_up_shift
from hw.rtl.single_port_memory import SinglePortMemory


def state_layout(spec: TokenizerSpec) -> data.StructLayout:
    """What a channel keeps from sample to sample: last, the sample itself; still, samples since it changed; average, the leaky
    sum, which stays within 2 ** drift_bits times the sample format, where there is one."""
    assert spec.preprocess is not None
    kept = {"last": shape_of(spec.sample), "still": range(spec.preprocess.dead_after + 1)}
    if spec.preprocess.drift_bits:
        kept["average"] = signed(spec.sample.bits + spec.preprocess.drift_bits)
    return data.StructLayout(kept)


class Preprocess(wiring.Component):
    """``o = 0 where dead, else saturate((i - average) * 2 ** shift)``, half up; dead: masked, or unchanged for `dead_after`
    samples.

    i: stream of samples, [samples, channels] row-major.  o: stream of samples, same order. bus: loads `region`, one word per
    channel as in hw.plan.memory.regions; `init` are its words at power-up where they can be preset; another load is taken
    before a sample of the first channel, settled says that none is waiting.
    Two cycles per sample: the channel's state is read, then written back as the sample is handed on; the memories hold what
    they read, so no register stands between. The first sample of a channel after reset ignores the state it reads.
    Latency 1 cycle, throughput 1 sample per 2 cycles. Golden twin: quant.golden.preprocess.
    """

    latency_cycles = 1

    def __init__(self, spec: TokenizerSpec, region: Region, *, init: Iterable[int] = ()):
        self.spec, self.region, self._init = spec, region, init
        super().__init__(
            {
                "i": In(stream.Signature(shape_of(spec.sample))),
                "o": Out(stream.Signature(shape_of(spec.sample))),
                "bus": In(LoadBus()),
                "settled": Out(len(TWOFOLD)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = state_layout(self.spec)
        m.submodules.state = state = SinglePortMemory(depth=self.spec.channels, width=layout.size)
        m.submodules.gain = gain = LoadableMemory(self.region, init=self._init)
        m.submodules.bank = bank = BankInUse(self.region)
        for listens in (gain, bank):
            wiring.connect(m, wiring.flipped(self.bus), listens.bus)

        column, first = Signal(range(self.spec.channels)), Signal(init=1)
        before, after = data.View(layout, state.read_data), Signal(layout)
        level = self._take_off_drift(m, before, after, first)
        quiet = self._count_still(m, before, after, first)
        masked = quiet | gain.read_data[GAIN_SHIFT_BITS]
        scaled = half_up_shift(m, level << GAIN_BITS, gain.read_data[:GAIN_SHIFT_BITS], self.spec.sample)
        m.d.comb += [
            state.address.eq(column),
            state.write_data.eq(after),
            gain.address.eq(Mux(bank.bank, self.region.depth, 0) + column),
            self.settled.eq(bank.settled),
            after.last.eq(self.i.payload),
            self.o.payload.eq(Mux(masked, 0, scaled)),
        ]
        with m.FSM():
            with m.State("READ"):
                m.d.comb += bank.between.eq((column == 0) & ~gain.enable)
                with m.If(self.i.valid & ~gain.loading):
                    m.d.comb += [state.enable.eq(1), gain.enable.eq(1)]
                    m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += [self.o.valid.eq(1), self.i.ready.eq(self.o.ready)]
                m.d.comb += bank.between.eq(column == self.spec.channels - 1)
                with m.If(self.o.ready):
                    m.d.comb += [state.enable.eq(1), state.write.eq(1)]
                    m.d.sync += column.eq(column + 1)
                    with m.If(column == self.spec.channels - 1):
                        m.d.sync += [column.eq(0), first.eq(0)]
                    m.next = "READ"
        return m

    def _take_off_drift(self, m: Module, before: data.View, after: data.View, first: Signal) -> Value:
        """The sample above its channel's average, which moves on in `after`."""
        assert self.spec.preprocess is not None
        bits = self.spec.preprocess.drift_bits
        if not bits:
            return self.i.payload
        average = Signal.like(before.average)
        level = Signal(signed(self.spec.sample.bits + 1))
        m.d.comb += [
            average.eq(Mux(first, self.i.payload << bits, before.average)),
            level.eq(self.i.payload - (average >> bits)),
            after.average.eq(average + level),
        ]
        return level

    def _count_still(self, m: Module, before: data.View, after: data.View, first: Signal) -> Value:
        """Whether the channel has not changed for `dead_after` samples; their count stops there."""
        assert self.spec.preprocess is not None
        longest = self.spec.preprocess.dead_after
        with m.If(~first & (self.i.payload == before.last)):
            m.d.comb += after.still.eq(Mux(before.still == longest, longest, before.still + 1))
        return after.still == longest
