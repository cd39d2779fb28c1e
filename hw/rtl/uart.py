"""A plain UART: 8 data bits, no parity, one stop bit, least significant bit first."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out


class UartReceiver(wiring.Component):
    """Serial line -> bytes. A byte whose stop bit is low is dropped; one that nobody takes is overwritten by the next.

    rx: the line, idle high, asynchronous.  o: stream of bytes. `divisor`: clock cycles per bit, at least 4.
    """

    def __init__(self, *, divisor: int):
        if divisor < 4:
            raise ValueError(f"UartReceiver: divisor={divisor} is too small to sample a bit; use at least 4 cycles per bit")
        self.divisor = divisor
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line, timer, bits, shift = Signal(init=1), Signal(range(self.divisor)), Signal(range(11)), Signal(9)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(bits == 0), m.If(~line):
            # The first sample falls into the middle of the start bit.
            m.d.sync += [bits.eq(10), timer.eq(self.divisor // 2 - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), bits.eq(bits - 1), shift.eq(Cat(shift[1:], line))]
            with m.If((bits == 10) & line):
                m.d.sync += bits.eq(0)  # a glitch, no start bit
            with m.If((bits == 1) & line):
                m.d.sync += [self.o.payload.eq(shift[1:]), self.o.valid.eq(1)]
        return m


class UartTransmitter(wiring.Component):
    """Bytes -> serial line.  i: stream of bytes.  tx: the line, idle high. `divisor`: clock cycles per bit."""

    def __init__(self, *, divisor: int):
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer, bits, frame = Signal(range(self.divisor)), Signal(range(11)), Signal(10, init=1)
        m.d.comb += [self.i.ready.eq(bits == 0), self.tx.eq(frame[0])]
        with m.If(bits == 0), m.If(self.i.valid):
            m.d.sync += [frame.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1)))]
            m.d.sync += [bits.eq(10), timer.eq(self.divisor - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), bits.eq(bits - 1), frame.eq(Cat(frame[1:], Const(1, 1)))]
        return m
