"""Finished token values, in any order, to the token's features in order (docs/blocks/token_buffer.md)."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.schema import TokenizerSpec
from hw.rtl.payloads import shape_of
from hw.rtl.pool import pooled_layout
from hw.rtl.single_port_memory import SinglePortMemory


class TokenBuffer(wiring.Component):
    """Keeps one token. When every index has arrived it gives the features in order, and takes nothing meanwhile.

    i: stream of `pooled_layout`, every index once per token, no index of the next token before the last of this one.
    o: stream of `spec.token`, [features] ordered [channel, octave, wavelet].
    Latency 2 cycles from the last index to the first feature, throughput 1 feature per cycle. Golden twin:
    quant.golden.pool.tokenize.
    """

    latency_cycles = 2

    def __init__(self, spec: TokenizerSpec):
        self.spec = spec
        super().__init__({"i": In(stream.Signature(pooled_layout(spec))), "o": Out(stream.Signature(shape_of(spec.token)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, count = self.spec, self.spec.wavelets_per_octave
        depth = spec.channels * spec.octaves
        m.submodules.memory = memory = SinglePortMemory(depth=depth, width=count * spec.token.bits)
        word, place = Signal(range(depth)), Signal(range(count))  # words taken so far, then words given
        m.d.comb += [
            memory.address.eq(word),
            memory.write_data.eq(self.i.payload.values),
            self.o.payload.eq(Array(memory.read_data.word_select(j, spec.token.bits) for j in range(count))[place]),
        ]
        with m.FSM():
            with m.State("FILL"):
                m.d.comb += [self.i.ready.eq(1), memory.address.eq(self.i.payload.index)]
                m.d.comb += [memory.enable.eq(self.i.valid), memory.write.eq(1)]
                with m.If(self.i.valid):
                    m.d.sync += word.eq(word + 1)
                    with m.If(word == depth - 1):
                        m.d.sync += word.eq(0)
                        m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += memory.enable.eq(1)
                m.d.sync += word.eq(word + 1)
                m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += place.eq(place + 1)
                with m.If(self.o.ready & (place == count - 1)):
                    m.d.sync += place.eq(0)
                    with m.If(word == 0):
                        m.next = "FILL"
                    with m.Else():
                        m.d.comb += memory.enable.eq(1)
                        m.d.sync += word.eq(word + 1)
                        with m.If(word == depth - 1):
                            m.d.sync += word.eq(0)
        return m
