"""The decision: index of the largest readout value, the first one on a tie (docs/blocks/argmax.md)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import decision_format, linear_layer
from designs.schema import Design
from hw.rtl.payloads import shape_of


def decision_layout(design: Design) -> data.StructLayout:
    """A readout value, whether it is the decision's last, and there the decided class."""
    value, decided = shape_of(linear_layer(design, "readout").acc), shape_of(decision_format(design))
    return data.StructLayout({"value": value, "last": 1, "decision": decided})


class Argmax(wiring.Component):
    """Readout values through, and with the last one the class that won.

    i: stream of the readout's sums, [outputs].  o: the same values with `last` on the last of a decision and `decision`, the
    decided class, which is valid there. Latency 0, throughput 1 per cycle. Golden twin: quant.golden.argmax.
    """

    latency_cycles = 0

    def __init__(self, design: Design):
        self.design = design
        self._outputs = design.model.outputs
        self._value = shape_of(linear_layer(design, "readout").acc)
        self._class = shape_of(decision_format(design))
        super().__init__({"i": In(stream.Signature(self._value)), "o": Out(stream.Signature(decision_layout(design)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        index, best_index, best = Signal(self._class), Signal(self._class), Signal(self._value)
        wins, winner = Signal(), Signal(self._class)
        m.d.comb += [
            wins.eq((index == 0) | (self.i.payload > best)),
            winner.eq(Mux(wins, index, best_index)),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            self.o.payload.value.eq(self.i.payload),
            self.o.payload.last.eq(index == self._outputs - 1),
            self.o.payload.decision.eq(winner),
        ]
        with m.If(self.i.valid & self.o.ready):
            m.d.sync += index.eq(Mux(self.o.payload.last, 0, index + 1))
            with m.If(wins):
                m.d.sync += [best.eq(self.i.payload), best_index.eq(index)]
        return m
