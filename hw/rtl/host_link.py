"""The prototype's wire format: samples in and decisions out as bytes that find their own alignment (docs/prototype.md).

A sample of up to 12 bits is two bytes: ``1 f hhhhhh`` and ``0 0 llllll`` (f marks channel 0, then the high and low six
bits). A decision is ``0xD5``, the class, and every readout value as four little-endian bytes.
"""

from collections.abc import Iterator

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from designs.number_format import IntFormat
from hw.rtl.payloads import shape_of

DECISION_MARK = 0xD5


def encode_samples(samples: np.ndarray) -> bytes:
    """int [frames, channels] of up to 12 bits -> the bytes a host sends."""
    raw = np.asarray(samples, np.int64) & 0xFFF
    first = 0x80 | (raw >> 6)
    first[:, 0] |= 0x40
    return np.stack([first, raw & 0x3F], axis=-1).astype(np.uint8).tobytes()


def decode_decisions(received: bytes, outputs: int) -> Iterator[tuple[int, list[int]]]:
    """Bytes a host received -> (class, readout values) of every complete decision; ValueError where the mark is missing."""
    size = 2 + 4 * outputs
    for start in range(0, len(received) - size + 1, size):
        packet = received[start : start + size]
        if packet[0] != DECISION_MARK:
            raise ValueError(f"host link: byte {start} is {packet[0]:#04x} where a decision starts with {DECISION_MARK:#04x}")
        yield packet[1], np.frombuffer(packet[2:], "<i4").tolist()


class SampleReceiver(wiring.Component):
    """Bytes -> samples, always whole frames: what the line lost of a frame is filled with zeros when the next one starts.

    i: stream of bytes.  o: stream of `sample`, channel-interleaved.  misaligned: sticky, something was lost or dropped.
    """

    def __init__(self, *, sample: IntFormat, channels: int):
        if sample.bits > 12:
            raise ValueError(f"SampleReceiver: sample={sample} does not fit two link bytes; use 12 bits or fewer")
        self.sample, self.channels = sample, channels
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(shape_of(sample))),
                "misaligned": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        channel, high, has_high = Signal(range(self.channels)), Signal(6), Signal()
        byte, free, short = self.i.payload, Signal(), Signal()
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            short.eq(self.i.valid & byte[6] & byte[7] & (channel != 0)),
            self.i.ready.eq(free & ~short),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(free & short):
            m.d.sync += [self.o.payload.eq(0), has_high.eq(0), self.misaligned.eq(1)]
            self._emit(m, channel)
        with m.Elif(self.i.valid & free & byte[7]):
            usable = byte[6] | (channel != 0)
            m.d.sync += [high.eq(byte[:6]), has_high.eq(usable)]
            with m.If(has_high | ~usable):
                m.d.sync += self.misaligned.eq(1)
        with m.Elif(self.i.valid & free):
            m.d.sync += has_high.eq(0)
            with m.If(has_high):
                m.d.sync += self.o.payload.eq(Cat(byte[:6], high)[: self.sample.bits])
                self._emit(m, channel)
            with m.Else():
                m.d.sync += self.misaligned.eq(1)
        return m

    def _emit(self, m: Module, channel: Signal) -> None:
        m.d.sync += [self.o.valid.eq(1), channel.eq(Mux(channel == self.channels - 1, 0, channel + 1))]


class DecisionSender(wiring.Component):
    """Readout values and the class -> decision bytes.

    i: stream of (value in `readout` format, class, last), one value per transfer; the class counts on the last.  o: stream of
    bytes. Values wait in registers until the class is known, so the mark and the class go first.
    """

    def __init__(self, *, outputs: int, readout: IntFormat):
        self.outputs, self._shape = outputs, signed(readout.bits)
        payload = data.StructLayout({"value": self._shape, "decision": 8, "last": 1})
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        values = Signal(data.ArrayLayout(self._shape, self.outputs))
        decision, full, index = Signal(8), Signal(), Signal(range(2 + 4 * self.outputs))
        packet = Cat(Const(DECISION_MARK, 8), decision, *(_extended(value) for value in values))
        m.d.comb += [self.i.ready.eq(~full), self.o.valid.eq(full), self.o.payload.eq(packet.word_select(index, 8))]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [values.eq(Cat(Value.cast(values)[len(values[0]) :], self.i.payload.value))]
            m.d.sync += [decision.eq(self.i.payload.decision), full.eq(self.i.payload.last)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += index.eq(index + 1)
            with m.If(index == 2 + 4 * self.outputs - 1):
                m.d.sync += [index.eq(0), full.eq(0)]
        return m


def _extended(value: Value) -> Value:
    """A signed value of up to 32 bits with its sign repeated up to bit 31."""
    return Cat(value, value[-1].replicate(32 - len(value)))
