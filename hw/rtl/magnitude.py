"""Shift-only magnitude of complex filter sums (docs/blocks/magnitude.md)."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from designs.schema import TokenizerSpec
from hw.rtl.payloads import shape_of
from hw.rtl.wavelet_bank import filter_format, filter_layout


def magnitude_layout(spec: TokenizerSpec) -> data.ArrayLayout:
    """One step's magnitudes, highest centre first."""
    return data.ArrayLayout(shape_of(spec.magnitude), spec.wavelets_per_octave)


class Magnitude(wiring.Component):
    """``max(hi, hi - (hi >> 3) + (lo >> 1))`` of |cosine| and |sine|, for all wavelets of a step side by side.

    i: stream of `filter_layout`, one step per transfer.  o: stream of `magnitude_layout`, same order.
    Latency 1 cycle, throughput 1 step per cycle. Golden twin: quant.golden.magnitude.
    """

    latency_cycles = 1

    def __init__(self, spec: TokenizerSpec):
        self.spec = spec
        super().__init__({"i": In(stream.Signature(filter_layout(spec))), "o": Out(stream.Signature(magnitude_layout(spec)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        found = Signal(magnitude_layout(self.spec), reset_less=True)
        m.d.comb += [self.i.ready.eq(~self.o.valid | self.o.ready), self.o.payload.eq(found)]
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
        for j in range(self.spec.wavelets_per_octave):
            result = self._of(m, self.i.payload[j].cosine, self.i.payload[j].sine)
            with m.If(self.i.ready & self.i.valid):
                m.d.sync += found[j].eq(result)
        return m

    def _of(self, m: Module, cosine: Value, sine: Value) -> Signal:
        width = filter_format(self.spec).bits
        a, b, hi, lo = (Signal(width, name=name) for name in ("abs_cosine", "abs_sine", "hi", "lo"))
        blend, result = Signal(width + 1), Signal(shape_of(self.spec.magnitude), name="result")
        m.d.comb += [
            a.eq(Mux(cosine < 0, -cosine, cosine)),
            b.eq(Mux(sine < 0, -sine, sine)),
            hi.eq(Mux(a < b, b, a)),
            lo.eq(Mux(a < b, a, b)),
            blend.eq(hi - (hi >> 3) + (lo >> 1)),
            result.eq(Mux(blend < hi, hi, blend)),
        ]
        return result
