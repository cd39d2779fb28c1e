"""A loadable memory that offers its words as an endless stream, in address order, again and again."""

from collections.abc import Iterable

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.plan.memory import Region
from hw.rtl.load_port import LoadBus
from hw.rtl.loadable_memory import LoadableMemory


class WeightMemory(wiring.Component):
    """The words of `regions` from address 0 to the last and from 0 again, one per transfer; weights and biases.

    o: stream of `payload` (as wide as a word). One word is read ahead, so one word per cycle is sustained, and nothing is read
    while nobody takes the word. A load of a region withdraws the word read ahead and reads it again after the load: the one
    exception to rule 2 of docs/streams.md, in a time in which nothing decodes. The position stays.
    """

    def __init__(self, *regions: Region, payload: object, init: Iterable[int] = ()):
        self.regions, self._init = regions, init
        super().__init__({"bus": In(LoadBus()), "o": Out(stream.Signature(payload))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = LoadableMemory(*self.regions, init=self._init)
        wiring.connect(m, wiring.flipped(self.bus), memory.bus)
        current, following, taken = Signal(range(memory.depth)), Signal(range(memory.depth)), Signal()
        m.d.comb += [
            taken.eq(self.o.valid & self.o.ready),
            following.eq(Mux(current == memory.depth - 1, 0, current + 1)),
            memory.address.eq(Mux(taken, following, current)),
            memory.enable.eq(taken | ~self.o.valid),
            self.o.payload.eq(memory.read_data),
        ]
        m.d.sync += self.o.valid.eq(~memory.loading)
        with m.If(taken):
            m.d.sync += current.eq(following)
        return m
