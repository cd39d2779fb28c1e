"""Saturating addition on the residual stream (docs/blocks/residual.md)."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.number_format import IntFormat
from hw.rtl.payloads import shape_of
from hw.rtl.requantize import saturate


class Residual(wiring.Component):
    """``o = saturate(stream + update)``, value by value; all three in `format`.

    Latency 0, throughput 1 per cycle. Golden twin: quant.golden.residual.
    """

    latency_cycles = 0

    def __init__(self, format: IntFormat):
        self.format = format
        port = stream.Signature(shape_of(format))
        super().__init__({"stream": In(port), "update": In(port), "o": Out(port)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [
            self.o.valid.eq(self.stream.valid & self.update.valid),
            self.stream.ready.eq(self.update.valid & self.o.ready),
            self.update.ready.eq(self.stream.valid & self.o.ready),
            self.o.payload.eq(saturate(m, self.stream.payload + self.update.payload, self.format)),
        ]
        return m
