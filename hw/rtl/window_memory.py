"""One stream of a window in a single-port memory, read by address: where attention keeps queries, keys and values."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.number_format import IntFormat
from hw.rtl.payloads import shape_of
from hw.rtl.single_port_memory import SinglePortMemory


class WindowMemory(wiring.Component):
    """A ring of `tokens` rows of `dim` values, `pack` values per word.

    i: stream, [tokens, dim] window after window. held: complete rows not yet released; at most `tokens`, then `i` waits.
    release: frees the oldest row, or all of them with `whole`. enable: the word at `address` (row * dim / pack + place / pack)
    appears on `read_data` in the next cycle. busy: a write has the port in this cycle; a read would be lost.
    """

    def __init__(self, format: IntFormat, *, tokens: int, dim: int, pack: int = 1, whole: bool):
        self._format, self._tokens, self._dim, self._pack, self._whole = format, tokens, dim, pack, whole
        self._depth = tokens * dim // pack
        super().__init__(
            {
                "i": In(stream.Signature(shape_of(format))),
                "held": Out(range(tokens + 1)),
                "release": In(1),
                "address": In(range(self._depth)),
                "enable": In(1),
                "busy": Out(1),
                "read_data": Out(pack * format.bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = self._dim // self._pack
        m.submodules.memory = memory = SinglePortMemory(depth=self._depth, width=self._pack * self._format.bits)
        address, word = Signal(range(self._depth)), Signal(range(words))
        take, write, row_complete = Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(self.held != self._tokens),
            take.eq(self.i.valid & self.i.ready),
            write.eq(take & self._gathered(m, take)),
            row_complete.eq(write & (word == words - 1)),
            self.busy.eq(write),
            memory.enable.eq(write | self.enable),
            memory.write.eq(write),
            memory.address.eq(Mux(write, address, self.address)),
            memory.write_data.eq(Cat(self._early, self.i.payload)),
            self.read_data.eq(memory.read_data),
        ]
        with m.If(write):
            m.d.sync += [
                address.eq(Mux(address == self._depth - 1, 0, address + 1)),
                word.eq(Mux(word == words - 1, 0, word + 1)),
            ]
        released = Mux(self.release, self.held if self._whole else 1, 0)
        m.d.sync += self.held.eq(self.held - released + row_complete)
        return m

    def _gathered(self, m: Module, take: Value) -> Value:
        """Keep the early values of a word; 1 when the value on `i` completes it."""
        self._early = Signal((self._pack - 1) * self._format.bits)
        if self._pack == 1:
            return Cat(1)
        place = Signal(range(self._pack))
        with m.If(take):
            m.d.sync += place.eq(Mux(place == self._pack - 1, 0, place + 1))
            for early in range(self._pack - 1):
                with m.If(place == early):
                    m.d.sync += self._early.word_select(early, self._format.bits).eq(self.i.payload)
        return place == self._pack - 1
