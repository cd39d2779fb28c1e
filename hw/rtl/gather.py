"""Serial values to words."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Gather(wiring.Component):
    """Serial values -> words of `length` values, the first in the low bits. Throughput 1 value per cycle."""

    def __init__(self, value: object, word: object, length: int):
        self._length = length
        super().__init__({"i": In(stream.Signature(value)), "o": Out(stream.Signature(word))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        place = Signal(range(self._length))
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [self.o.payload[place].eq(self.i.payload), place.eq(place + 1)]
            with m.If(place == self._length - 1):
                m.d.sync += [place.eq(0), self.o.valid.eq(1)]
        return m
