"""A regressor's output: readout values through, the last of a decision marked (docs/blocks/value_frame.md)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import linear_layer
from designs.schema import Design
from hw.rtl.argmax import decision_layout
from hw.rtl.payloads import shape_of


class ValueFrame(wiring.Component):
    """What Argmax is for a classifier, with the same ports: `decision` is 0, for nothing is decided.

    i: stream of the readout's sums, [outputs].  o: the same values with `last` on the last of a decision. Latency 0, throughput
    1 per cycle. Golden twin: the readout itself; quant.golden.regression says what it is worth.
    """

    latency_cycles = 0

    def __init__(self, design: Design):
        self.design = design
        value = shape_of(linear_layer(design, "readout").acc)
        super().__init__({"i": In(stream.Signature(value)), "o": Out(stream.Signature(decision_layout(design)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        outputs = self.design.model.outputs
        index = Signal(range(outputs))
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            self.o.payload.value.eq(self.i.payload),
            self.o.payload.last.eq(index == outputs - 1),
        ]
        with m.If(self.i.valid & self.o.ready):
            m.d.sync += index.eq(Mux(self.o.payload.last, 0, index + 1))
        return m
