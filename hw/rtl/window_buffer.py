"""A queue in a single-port memory: keeps the residual stream while a block works on it."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.single_port_memory import SinglePortMemory


class WindowBuffer(wiring.Component):
    """First in, first out, `depth` values and one more on the way out.

    The port is shared: writes go first, so a value in and a value out take two cycles. Latency 2 cycles.
    """

    def __init__(self, payload: object, depth: int):
        self._payload, self._depth = payload, depth
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = SinglePortMemory(depth=self._depth, width=Shape.cast(self._payload).width)
        head, tail, held = Signal(range(self._depth)), Signal(range(self._depth)), Signal(range(self._depth + 1))
        write, read = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(held != self._depth),
            write.eq(self.i.valid & self.i.ready),
            read.eq((~self.o.valid | self.o.ready) & (held != 0) & ~write),
            memory.enable.eq(write | read),
            memory.write.eq(write),
            memory.address.eq(Mux(write, tail, head)),
            memory.write_data.eq(self.i.payload),
            self.o.payload.eq(memory.read_data),
        ]
        with m.If(write):
            m.d.sync += [tail.eq(Mux(tail == self._depth - 1, 0, tail + 1)), held.eq(held + 1)]
        with m.If(read):
            m.d.sync += [head.eq(Mux(head == self._depth - 1, 0, head + 1)), held.eq(held - 1), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
