"""Magnitudes summed over each token and requantized per feature (docs/blocks/pool.md)."""

from collections.abc import Iterable

from amaranth.hdl import Array, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from designs.schema import TokenizerSpec
from hw.plan.memory import TWOFOLD, Region
from hw.rtl.bank_in_use import BankInUse
from hw.rtl.load_port import LoadBus
from hw.rtl.loadable_memory import LoadableMemory
from hw.rtl.magnitude import magnitude_layout
from hw.rtl.payloads import shape_of
from hw.rtl.requantize import half_up_shift
from hw.rtl.single_port_memory import SinglePortMemory
from hw.rtl.step_order import StepOrder


def pooled_layout(spec: TokenizerSpec) -> data.StructLayout:
    """The finished token values of one octave of one channel; index = channel * octaves + octave."""
    values = data.ArrayLayout(shape_of(spec.token), spec.wavelets_per_octave)
    return data.StructLayout({"index": range(spec.channels * spec.octaves), "values": values})


class Pool(wiring.Component):
    """Adds each step's magnitudes, weighed by how much of its stretch lies in the token, and gives the sums when complete.

    i: stream of `magnitude_layout` in the order of hw.rtl.step_order.  o: stream of `pooled_layout`: every index once per
    token, at the octave's last step in that token. bus: loads `token_shift`, one shift per feature, read only then; another
    load is taken between two tokens, settled says that none is waiting.
    Latency 2 cycles, throughput 1 step per 2 cycles (read the sums, write them back). Golden twin: quant.golden.pool.
    """

    latency_cycles = 2

    def __init__(self, spec: TokenizerSpec, token_shift: Region, *, init: Iterable[int] = ()):
        self.spec, self.token_shift, self._init = spec, token_shift, init
        super().__init__(
            {
                "i": In(stream.Signature(magnitude_layout(spec))),
                "o": Out(stream.Signature(pooled_layout(spec))),
                "bus": In(LoadBus()),
                "settled": Out(len(TWOFOLD)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, count = self.spec, self.spec.wavelets_per_octave
        m.submodules.order = order = StepOrder(spec)
        m.submodules.sums = sums = SinglePortMemory(depth=spec.channels * spec.octaves, width=count * spec.pool.bits)
        m.submodules.shift = shift = LoadableMemory(self.token_shift, init=self._init)
        m.submodules.bank = bank = BankInUse(self.token_shift)
        for listens in (shift, bank):
            wiring.connect(m, wiring.flipped(self.bus), listens.bus)

        row = data.ArrayLayout(shape_of(spec.pool), count)
        stored, total, finished = data.View(row, sums.read_data), Signal(row), Signal(row, reset_less=True)
        carried, last = Signal(row), Signal()
        given = Signal(range(self.token_shift.depth))  # indices of the current token
        now, units = self._weights(m, order, last)
        for j in range(count):
            product = Signal(shape_of(spec.pool), name=f"product_{j}")
            m.d.comb += [
                product.eq(self.i.payload[j] * now),
                total[j].eq(Mux(order.first, 0, stored[j]) + product),
                carried[j].eq((self.i.payload[j] << units) - product),
            ]
            token = half_up_shift(m, finished[j], shift.read_data.word_select(j, spec.token_shift.bits), spec.token)
            m.d.comb += self.o.payload.values[j].eq(token)
        m.d.comb += [
            sums.address.eq(order.address),
            sums.write_data.eq(Mux(last, carried, total)),
            shift.address.eq(Mux(bank.bank, self.token_shift.depth, 0) + order.address),
            bank.between.eq((given == 0) & ~shift.enable),
            self.settled.eq(bank.settled),
        ]
        with m.If(shift.enable):
            m.d.sync += given.eq(Mux(given == self.token_shift.depth - 1, 0, given + 1))
        free = ~self.o.valid | self.o.ready
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("READ"), m.If(self.i.valid & (free & ~shift.loading | ~last)):
                m.d.comb += [sums.enable.eq(1), shift.enable.eq(last)]
                m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += [self.i.ready.eq(1), sums.enable.eq(1), sums.write.eq(1), order.advance.eq(1)]
                with m.If(last):
                    m.d.sync += [finished.eq(total), self.o.payload.index.eq(order.address), self.o.valid.eq(1)]
                m.next = "READ"
        return m

    def _weights(self, m: Module, order: StepOrder, last: Signal) -> tuple[Signal, Signal]:
        """(units of this step in the current token, exponent of its units in all); drives `last`, the token's last step."""
        spec = self.spec
        reach = [1 << octave for octave in range(spec.octaves)]
        units = [(reach[octave] // spec.pool_unit_pairs(octave)).bit_length() - 1 for octave in range(spec.octaves)]
        now, exponent = Signal(range((1 << max(units)) + 1)), Signal(range(max(units) + 1))
        inside = Signal.like(order.left)
        m.d.comb += exponent.eq(Array(map(Const, units))[order.octave])
        m.d.comb += last.eq(order.left <= Array(map(Const, reach))[order.octave])
        m.d.comb += inside.eq(Mux(last, order.left, Array(map(Const, reach))[order.octave]))
        unit_shift = [spec.pool_unit_pairs(octave).bit_length() - 1 for octave in range(spec.octaves)]
        m.d.comb += now.eq(inside >> Array(map(Const, unit_shift))[order.octave])
        return now, exponent
