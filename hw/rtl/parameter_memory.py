"""All parameters of the engine in one memory, read word after word in three orders at once (docs/blocks/engine.md)."""

from collections.abc import Iterable, Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.plan.memory import Region
from hw.rtl.load_port import LoadBus
from hw.rtl.loadable_memory import LoadableMemory


class Cursor(wiring.Component):
    """An address that goes through `regions` of a memory, from `first` on and from the start again: one word per `step`."""

    def __init__(self, first: int, regions: Sequence[Region]):
        self.first, self.words = first, sum(region.depth for region in regions)
        limit = range(first + self.words)
        super().__init__({"step": In(1), "current": Out(limit, init=first), "following": Out(limit)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        last = self.first + self.words - 1
        m.d.comb += self.following.eq(Mux(self.current == last, self.first, self.current + 1))
        with m.If(self.step):
            m.d.sync += self.current.eq(self.following)
        return m


class VectorReader(wiring.Component):
    """Words of a memory, put together to vectors of `pieces` words, the first in the low bits.

    wants: a word, at `address`; granted: it is read in this cycle, and lies on `word` in the next one.
    o: stream of `vector`. The next one is asked for as soon as one is taken.
    """

    def __init__(self, vector: object, pieces: int, first: int, regions: Sequence[Region]):
        self._vector, self._pieces, self._width = vector, pieces, regions[0].width
        self.cursor = Cursor(first, regions)
        super().__init__(
            {
                "wants": Out(1),
                "address": Out(len(self.cursor.current)),
                "granted": In(1),
                "word": In(self._width),
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
    bus: the load bus; words may come while nothing decodes, which begins from reset afterwards. init: as LoadableMemory's.
    """

    def __init__(
        self,
        *,
        weights: tuple[object, list[Region]],
        biases: tuple[object, int, list[Region]],
        positions: tuple[object, int, list[Region]] | None,
        init: Iterable[int] = (),
    ):
        (word, weight_regions), (bias, bias_pieces, bias_regions) = weights, biases
        position, pieces, regions = positions or (None, 0, [])
        self.memory = LoadableMemory(*weight_regions, *bias_regions, *regions, init=init)
        self._weights = Cursor(0, weight_regions)
        first = self._weights.words
        self._biases = VectorReader(bias, bias_pieces, first, bias_regions)
        ports = {
            "bus": In(LoadBus()),
            "only_weights": In(1),
            "weights": Out(stream.Signature(word)),
            "biases": Out(stream.Signature(bias)),
        }
        self._positions = None
        if positions is not None:
            self._positions = VectorReader(position, pieces, first + self._biases.cursor.words, regions)
            ports["positions"] = Out(stream.Signature(position))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory, m.submodules.weight_cursor = memory, weights = self.memory, self._weights
        m.submodules.bias_reader = biases = self._biases
        readers, positions = [(biases, self.biases)], self._positions
        if positions is not None:
            m.submodules.position_reader = positions
            readers.append((positions, self.positions))
        wiring.connect(m, wiring.flipped(self.bus), memory.bus)
        for reader, port in readers:
            wiring.connect(m, reader.o, wiring.flipped(port))
            m.d.comb += reader.word.eq(memory.read_data)
        taken, wanted, read = Signal(), Signal(), Signal()
        positions_granted = Const(0) if positions is None else positions.granted
        m.d.comb += [
            taken.eq(self.weights.valid & self.weights.ready),
            wanted.eq(taken | ~self.weights.valid),
            weights.step.eq(taken),
            Value.cast(self.weights.payload).eq(memory.read_data),
            *([] if positions is None else [positions.granted.eq(positions.wants & ~self.only_weights)]),
            biases.granted.eq(biases.wants & ~positions_granted & ~self.only_weights),
            read.eq(wanted & ~positions_granted & ~biases.granted),
            memory.enable.eq(read | positions_granted | biases.granted),
            memory.address.eq(Mux(taken, weights.following, weights.current)),
        ]
        for reader, _ in readers:
            with m.If(reader.granted):
                m.d.comb += memory.address.eq(reader.address)
        m.d.sync += self.weights.valid.eq((read | (self.weights.valid & ~taken & ~memory.enable)) & ~memory.loading)
        return m
