"""Replay: a vector in once, out as often as the folded matrix needs it."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.rtl.single_port_memory import SinglePortMemory


class RegisterReplay(wiring.Component):
    """Vectors of `words` payloads, each given out `times` times, kept in `banks` (1 or 2) banks of registers.

    i: stream, vector after vector.  o: stream, each vector `times` times in a row. Latency 1 cycle, throughput 1 per cycle on
    both sides; with two banks the next vector is taken while one is given out.
    """

    def __init__(self, *, payload: object, words: int, times: int, banks: int = 2):
        self._payload, self._words, self._times, self._banks = payload, words, times, banks
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words, depth = self._words, self._banks * self._words
        m.submodules.registers = registers = Memory(shape=self._payload, depth=depth, init=())
        write_port, read_port = registers.write_port(), registers.read_port(domain="comb")
        full, write_bank, read_bank = Signal(self._banks), Signal(range(self._banks)), Signal(range(self._banks))
        write_word, read_word, read_time = Signal(range(words)), Signal(range(words)), Signal(range(self._times))
        write, read, filled, emptied = Signal(), Signal(), Signal(), Signal()
        read_full, write_full = (
            full[0] if self._banks == 1 else Mux(bank, full[1], full[0]) for bank in (read_bank, write_bank)
        )
        m.d.comb += [
            self.i.ready.eq(~write_full),
            self.o.valid.eq(read_full | ((read_bank == write_bank) & (read_word < write_word))),
            write.eq(self.i.valid & self.i.ready),
            read.eq(self.o.valid & self.o.ready),
            filled.eq(write & (write_word == words - 1)),
            emptied.eq(read & (read_word == words - 1) & (read_time == self._times - 1)),
            write_port.addr.eq(write_bank * words + write_word),
            write_port.data.eq(self.i.payload),
            write_port.en.eq(write),
            read_port.addr.eq(read_bank * words + read_word),
            self.o.payload.eq(read_port.data),
        ]
        self._count(m, write, write_word, words)
        self._count(m, read, read_word, words)
        self._count(m, read & (read_word == words - 1), read_time, self._times)
        self._count(m, filled, write_bank, self._banks)
        self._count(m, emptied, read_bank, self._banks)
        for bank in range(self._banks):
            with m.If(filled & (write_bank == bank)):
                m.d.sync += full[bank].eq(1)
            with m.If(emptied & (read_bank == bank)):
                m.d.sync += full[bank].eq(0)
        return m

    @staticmethod
    def _count(m: Module, enable: Value, counter: Signal, limit: int) -> None:
        """`counter` goes 0 .. limit - 1 and round again."""
        with m.If(enable):
            m.d.sync += counter.eq(Mux(counter == limit - 1, 0, counter + 1))


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
        m.submodules.memory = memory = SinglePortMemory(depth=self._words, width=Value.cast(direct).shape().width)
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
                m.d.sync += [word.eq(0), time.eq(Mux(time == self._times - 1, 0, time + 1))]
        return m
