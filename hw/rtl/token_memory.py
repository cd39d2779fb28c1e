"""The last embedded tokens, replayed as a window with their positions (docs/blocks/token_memory.md)."""

from collections.abc import Iterable, Mapping

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.plan.folding import Folding
from hw.plan.memory import find_region
from hw.rtl.load_port import LoadBus
from hw.rtl.loadable_memory import LoadableMemory
from hw.rtl.payloads import shape_of
from hw.rtl.requantize import saturate
from hw.rtl.single_port_memory import SinglePortMemory
from quant.golden.parameters import IntegerParameters


class TokenMemory(wiring.Component):
    """A ring of the last `tokens` embeddings; each new token, once the ring is full, is followed by the whole window.

    i: stream of embeddings, [embed_dim] per token.  o: ``saturate(embedding + position)``, [tokens, embed_dim], oldest first.
    bus: the load bus, on which the region `position` is filled; `words` are its words where they can be preset.
    The next token is taken as soon as the oldest one, whose place it gets, has been replayed. Throughput 1 value per cycle
    while replaying. After reset the ring counts as empty.
    Golden twin: quant.golden.trace (sliding_windows, then residual with the position).
    """

    def __init__(self, parameters: IntegerParameters, folding: Mapping[str, Folding], *, words: Iterable[int] = ()):
        self.design = parameters.design
        self.position = LoadableMemory(find_region(self.design, dict(folding), "position"), init=words)
        port = stream.Signature(shape_of(self.design.quant.stream))
        super().__init__({"bus": In(LoadBus()), "i": In(port), "o": Out(port)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        model, format = self.design.model, self.design.quant.stream
        dim, tokens, depth = model.embed_dim, model.tokens, model.tokens * model.embed_dim
        m.submodules.position = position = self.position
        m.submodules.ring = ring = SinglePortMemory(depth=depth, width=format.bits)
        wiring.connect(m, wiring.flipped(self.bus), position.bus)

        write_address, write_place, held = Signal(range(depth)), Signal(range(dim)), Signal(range(tokens))
        complete, replaying, oldest_read = Signal(), Signal(), Signal()
        read_address, read_index = Signal(range(depth)), Signal(range(depth))
        write, read = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~complete & (~replaying | oldest_read)),
            write.eq(self.i.valid & self.i.ready),
            read.eq(replaying & (~self.o.valid | self.o.ready) & ~write),
            ring.enable.eq(write | read),
            ring.write.eq(write),
            ring.address.eq(Mux(write, write_address, read_address)),
            ring.write_data.eq(self.i.payload),
            position.enable.eq(read),
            position.address.eq(read_index),
            self.o.payload.eq(saturate(m, ring.read_data.as_signed() + position.read_data.as_signed(), format)),
        ]
        with m.If(write):
            m.d.sync += [
                write_address.eq(Mux(write_address == depth - 1, 0, write_address + 1)),
                write_place.eq(write_place + 1),
            ]
            with m.If(write_place == dim - 1):
                m.d.sync += write_place.eq(0)
                with m.If(held == tokens - 1):
                    m.d.sync += complete.eq(1)
                with m.Else():
                    m.d.sync += held.eq(held + 1)
        with m.If(complete & ~replaying):
            # the place to be written next holds the oldest token
            m.d.sync += [complete.eq(0), replaying.eq(1), oldest_read.eq(0), read_address.eq(write_address), read_index.eq(0)]
        with m.If(read):
            m.d.sync += [
                self.o.valid.eq(1),
                read_address.eq(Mux(read_address == depth - 1, 0, read_address + 1)),
                read_index.eq(read_index + 1),
            ]
            with m.If(read_index == dim - 1):
                m.d.sync += oldest_read.eq(1)
            with m.If(read_index == depth - 1):
                m.d.sync += replaying.eq(0)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
