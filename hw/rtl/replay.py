"""Replay: a vector in once, out as often as the folded matrix needs it."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.rtl.single_port_memory import SinglePortMemory


class RegisterReplay(wiring.Component):
    """Vectors of `words` payloads, each given out `times` times, kept in registers.

    i: stream, vector after vector.  o: stream, each vector `times` times in a row; the first pass follows the input. Latency
    1 cycle, throughput 1 per cycle; the next vector is taken when the last pass is over.
    """

    def __init__(self, *, payload: object, words: int, times: int):
        self._payload, self._words, self._times = payload, words, times
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = self._words
        m.submodules.registers = registers = Memory(shape=self._payload, depth=words, init=())
        write_port, read_port = registers.write_port(), registers.read_port(domain="comb")
        written, read_word, read_time = Signal(range(words + 1)), Signal(range(words)), Signal(range(self._times))
        write, read = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(written != words),
            self.o.valid.eq(read_word < written),
            write.eq(self.i.valid & self.i.ready),
            read.eq(self.o.valid & self.o.ready),
            write_port.addr.eq(written),
            write_port.data.eq(self.i.payload),
            write_port.en.eq(write),
            read_port.addr.eq(read_word),
            self.o.payload.eq(read_port.data),
        ]
        with m.If(write):
            m.d.sync += written.eq(written + 1)
        with m.If(read):
            m.d.sync += read_word.eq(read_word + 1)
            with m.If(read_word == words - 1):
                m.d.sync += [read_word.eq(0), read_time.eq(read_time + 1)]
                with m.If(read_time == self._times - 1):
                    m.d.sync += [read_time.eq(0), written.eq(0)]
        return m


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
