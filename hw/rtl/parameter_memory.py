"""All parameters of the engine in one memory, read word after word in three orders at once (docs/blocks/engine.md)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.plan.memory import Region
from hw.rtl.load_port import LoadBus
from hw.rtl.loadable_memory import LoadableMemory


@dataclass(frozen=True)
class Span:
    """`words` words from address `first` on; the second bank, if there is one, lies `other_bank` further."""

    first: int
    words: int
    other_bank: int = 0


class Cursor(wiring.Component):
    """An address that goes through `spans`, one after the other and from the start again: one word per `step`.

    bank: which bank of the spans that have two it enters.
    """

    def __init__(self, spans: Sequence[Span]):
        self._spans = tuple(spans)
        limit = range(max(span.first + span.words + span.other_bank for span in spans))
        super().__init__({"step": In(1), "bank": In(1), "current": Out(limit, init=spans[0].first), "following": Out(limit)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.following.eq(self.current + 1)
        with m.Switch(self.current):
            for span, entered in zip(self._spans, (*self._spans[1:], self._spans[0]), strict=True):
                last = span.first + span.words - 1
                with m.Case(*{last, last + span.other_bank}):
                    m.d.comb += self.following.eq(Mux(self.bank, entered.first + entered.other_bank, entered.first))
        with m.If(self.step):
            m.d.sync += self.current.eq(self.following)
        return m


class VectorReader(wiring.Component):
    """Words of a memory, put together to vectors of `pieces` words, the first in the low bits.

    wants: a word, at `address`; granted: it is read in this cycle, and lies on `word` in the next one.
    o: stream of `vector`. The next one is asked for as soon as one is taken.
    """

    def __init__(self, vector: object, pieces: int, width: int, spans: Sequence[Span]):
        self._pieces, self._width = pieces, width
        self.cursor = Cursor(spans)
        super().__init__(
            {
                "wants": Out(1),
                "address": Out(len(self.cursor.current)),
                "granted": In(1),
                "word": In(width),
                "bank": In(1),
                "o": Out(stream.Signature(vector)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.cursor = cursor = self.cursor
        arrives, place = Signal(), Signal(range(self._pieces))
        last = arrives & (place == self._pieces - 1)
        pieces = [Signal(self._width, name=f"piece{number}", reset_less=True) for number in range(self._pieces)]
        whole = Cat(pieces)
        m.d.comb += [
            self.wants.eq(Mux(self.o.valid, self.o.ready, ~last)),
            cursor.step.eq(self.granted),
            cursor.bank.eq(self.bank),
            self.address.eq(cursor.current),
            Value.cast(self.o.payload).eq(whole),
        ]
        m.d.sync += arrives.eq(self.granted)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(arrives):
            m.d.sync += place.eq(Mux(last, 0, place + 1))
            with m.Switch(place):
                for number, piece in enumerate(pieces):
                    with m.Case(number):
                        m.d.sync += piece.eq(self.word)
        with m.If(last):
            m.d.sync += self.o.valid.eq(1)
        return m


class ParameterMemory(wiring.Component):
    """Weights, biases and positions, where there are any, each from its first word to its last and from the first again.

    weights: stream of words, straight from the memory's output. biases, positions: streams of vectors, put together from
    `pieces` words each. only_weights: nothing else is read; without it, weights come last. A word of weights that was read but
    not taken is withdrawn where another is read instead, and comes again: the one exception to rule 2 of docs/streams.md.
    readout: the region with the last layer's weights, `readout_weights` words of them, and its biases; bank: which of its banks
    is read. bus: the load bus; words of the others may come while nothing decodes, which begins from reset afterwards. init: as
    LoadableMemory's.
    """

    def __init__(
        self,
        *,
        weights: tuple[object, list[Region]],
        biases: tuple[object, int, list[Region]],
        positions: tuple[object, int, list[Region]] | None,
        readout: Region,
        readout_weights: int,
        init: Iterable[int] = (),
    ):
        (word, weight_regions), (bias, bias_pieces, bias_regions) = weights, biases
        position, pieces, regions = positions or (None, 0, [])
        self.readout = readout
        self.memory = LoadableMemory(*weight_regions, *bias_regions, *regions, readout, init=init)
        sizes = [sum(region.depth for region in found) for found in (weight_regions, bias_regions, regions)]
        last, other = sum(sizes), readout.depth
        self._weights = Cursor([Span(0, sizes[0]), Span(last, readout_weights, other)])
        bias_spans = [Span(sizes[0], sizes[1]), Span(last + readout_weights, readout.depth - readout_weights, other)]
        self._readers = {}
        if positions is not None:
            self._readers["positions"] = VectorReader(position, pieces, regions[0].width, [Span(sizes[0] + sizes[1], sizes[2])])
        self._readers["biases"] = VectorReader(bias, bias_pieces, bias_regions[0].width, bias_spans)
        ports = {"bus": In(LoadBus()), "only_weights": In(1), "bank": In(1), "weights": Out(stream.Signature(word))}
        vectors = {"positions": position, "biases": bias}
        super().__init__(ports | {name: Out(stream.Signature(vectors[name])) for name in self._readers})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory, m.submodules.weight_cursor = memory, weights = self.memory, self._weights
        wiring.connect(m, wiring.flipped(self.bus), memory.bus)
        taken, wanted, read, others = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            taken.eq(self.weights.valid & self.weights.ready),
            wanted.eq(taken | ~self.weights.valid),
            weights.step.eq(taken),
            weights.bank.eq(self.bank),
            Value.cast(self.weights.payload).eq(memory.read_data),
            memory.address.eq(Mux(taken, weights.following, weights.current)),
        ]
        granted: Value = Const(0)
        for name, reader in self._readers.items():
            m.submodules[f"{name}_reader"] = reader
            wiring.connect(m, reader.o, wiring.flipped(getattr(self, name)))
            m.d.comb += [
                reader.word.eq(memory.read_data),
                reader.bank.eq(self.bank),
                reader.granted.eq(reader.wants & ~self.only_weights & ~memory.loading & ~granted),
            ]
            with m.If(reader.granted):
                m.d.comb += memory.address.eq(reader.address)
            granted |= reader.granted
        m.d.comb += [
            others.eq(granted),
            read.eq(wanted & ~others & ~memory.loading),
            memory.enable.eq(read | others),
        ]
        m.d.sync += self.weights.valid.eq(read | (self.weights.valid & ~taken & ~others & ~memory.loading))
        return m
