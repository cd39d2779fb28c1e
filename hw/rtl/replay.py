"""Replay: a vector in once, out as often as the folded matrix needs it."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.single_port_memory import SinglePortMemory


class RegisterReplay(wiring.Component):
    """Vectors of `words` payloads, each given out `times` times; two banks of registers.

    i: stream, vector after vector.  o: stream, each vector `times` times in a row.
    Throughput 1 per cycle on both sides: the next vector fills one bank while the other is given out. Latency 1 cycle.
    """

    def __init__(self, *, payload: object, words: int, times: int):
        self._payload, self._words, self._times = payload, words, times
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words, times = self._words, self._times
        banks = Array(Signal(self._payload, name=f"bank{bank}_word{word}") for bank in range(2) for word in range(words))
        full = Array(Signal(name=f"full{bank}") for bank in range(2))
        write_bank, write_word = Signal(), Signal(range(words))
        read_bank, read_word, read_time = Signal(), Signal(range(words)), Signal(range(times))
        m.d.comb += [
            self.i.ready.eq(~full[write_bank]),
            self.o.valid.eq(full[read_bank] | ((read_bank == write_bank) & (read_word < write_word))),
            self.o.payload.eq(Mux(read_bank, banks_word(banks, words, 1, read_word), banks_word(banks, words, 0, read_word))),
        ]
        with m.If(self.i.valid & self.i.ready):
            for bank in range(2):
                for word in range(words):
                    with m.If((write_bank == bank) & (write_word == word)):
                        m.d.sync += banks[bank * words + word].eq(self.i.payload)
            m.d.sync += write_word.eq(write_word + 1)
            with m.If(write_word == words - 1):
                m.d.sync += [write_word.eq(0), write_bank.eq(~write_bank), full[write_bank].eq(1)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += read_word.eq(read_word + 1)
            with m.If(read_word == words - 1):
                m.d.sync += [read_word.eq(0), read_time.eq(read_time + 1)]
                with m.If(read_time == times - 1):
                    m.d.sync += [read_time.eq(0), read_bank.eq(~read_bank), full[read_bank].eq(0)]
        return m


def banks_word(banks: Array, words: int, bank: int, index: Signal) -> object:
    """Word `index` of one bank."""
    return Array(banks[bank * words + word] for word in range(words))[index]


class MemoryReplay(wiring.Component):
    """As RegisterReplay, for long vectors: one single-port memory, and the first pass goes through while it is written.

    Throughput 1 per cycle; the next vector is taken when the last pass is over.
    """

    def __init__(self, *, payload: object, words: int, times: int):
        self._payload, self._words, self._times = payload, words, times
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        direct = Signal(self._payload)
        width = len(direct.as_value() if hasattr(direct, "as_value") else direct)
        m.submodules.memory = memory = SinglePortMemory(depth=self._words, width=width)
        word, time, is_direct = Signal(range(self._words)), Signal(range(self._times)), Signal()
        free, fetch = Signal(), Signal()
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(free & (time == 0)),
            fetch.eq(free & ((time != 0) | self.i.valid)),
            memory.address.eq(word),
            memory.enable.eq(fetch),
            memory.write.eq(time == 0),
            memory.write_data.eq(self.i.payload),
            self.o.payload.eq(Mux(is_direct, direct, memory.read_data)),
        ]
        with m.If(free):
            m.d.sync += self.o.valid.eq(fetch)
        with m.If(fetch):
            m.d.sync += [is_direct.eq(time == 0), word.eq(word + 1)]
            with m.If(time == 0):
                m.d.sync += direct.eq(self.i.payload)
            with m.If(word == self._words - 1):
                m.d.sync += [word.eq(0), time.eq(time + 1)]
                with m.If(time == self._times - 1):
                    m.d.sync += time.eq(0)
        return m
