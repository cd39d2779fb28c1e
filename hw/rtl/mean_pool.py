"""Mean over a window's tokens as a sum and a shift (docs/blocks/mean_pool.md)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import token_sum
from designs.schema import Design
from hw.rtl.payloads import shape_of
from hw.rtl.requantize import half_up_shift
from hw.rtl.single_port_memory import SinglePortMemory


class MeanPool(wiring.Component):
    """``o = saturate((sum over tokens of i + half) >> shift)``.

    i: stream of the residual stream's format, [tokens, embed_dim].  o: the same format, [embed_dim], one vector per window.
    The running sums live in a single-port memory: 2 cycles per value. Golden twin: quant.golden.mean_pool.
    """

    latency_cycles = 1
    """From a value of the last token to its mean."""

    def __init__(self, design: Design, *, shift: int):
        self.design, self.shift = design, shift
        port = stream.Signature(shape_of(design.quant.stream))
        super().__init__({"i": In(port), "o": Out(port)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dim, tokens, sums = self.design.model.embed_dim, self.design.model.tokens, token_sum(self.design)
        m.submodules.memory = memory = SinglePortMemory(depth=dim, width=sums.bits)
        place, token = Signal(range(dim)), Signal(range(tokens))
        value, has_value, total = Signal(shape_of(self.design.quant.stream)), Signal(), Signal(shape_of(sums))
        take, is_last, done = Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~has_value),
            take.eq(self.i.valid & self.i.ready),
            is_last.eq(token == tokens - 1),
            total.eq(Mux(token == 0, 0, memory.read_data.as_signed()) + value),
            done.eq(has_value & (~is_last | self.o.ready)),
            memory.address.eq(place),
            memory.enable.eq(Mux(has_value, ~is_last, take & (token != 0))),
            memory.write.eq(has_value),
            memory.write_data.eq(total),
            self.o.valid.eq(has_value & is_last),
            self.o.payload.eq(half_up_shift(m, total, self.shift, self.design.quant.stream)),
        ]
        with m.If(take):
            m.d.sync += [value.eq(self.i.payload), has_value.eq(1)]
        with m.If(done):
            m.d.sync += [has_value.eq(0), place.eq(place + 1)]
            with m.If(place == dim - 1):
                m.d.sync += [place.eq(0), token.eq(Mux(is_last, 0, token + 1))]
        return m
