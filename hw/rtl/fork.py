"""One stream to several readers, each at its own pace."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Fork(wiring.Component):
    """Every value of `i` goes once to each of the streams in `names`; the next follows when all have taken it.

    Which readers have taken the value is registered, so no `valid` depends on any `ready`. Latency 0, throughput 1 per cycle.
    """

    def __init__(self, payload: object, names: tuple[str, ...]):
        self.names = names
        super().__init__(
            {"i": In(stream.Signature(payload))} | {name: Out(stream.Signature(payload)) for name in names},
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        outputs = [getattr(self, name) for name in self.names]
        taken = Signal(len(outputs))
        m.d.comb += self.i.ready.eq(Cat(taken[n] | output.ready for n, output in enumerate(outputs)).all())
        for n, output in enumerate(outputs):
            m.d.comb += [output.payload.eq(self.i.payload), output.valid.eq(self.i.valid & ~taken[n])]
            with m.If(self.i.valid):
                m.d.sync += taken[n].eq((taken[n] | output.ready) & ~self.i.ready)
        return m
