"""Accumulator to activation: the one rounding rule in hardware (docs/number_formats.md)."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.number_format import IntFormat
from hw.rtl.payloads import shape_of


def half_up_shift(m: Module, acc: ValueLike, shift: int | Value, out: IntFormat) -> Signal:
    """``saturate((acc + half) >> shift)`` as combinational logic in `m`; a signal in format `out`.

    acc: any signed or unsigned value, every bit of it counts. shift: a constant, or an unsigned value (a barrel shifter).
    No wide adder: the last bit shifted out is added to what is left. Golden twin: quant.golden.requantize.requantize.
    """
    return saturate(m, round_shift(m, acc, shift), out)


def round_shift(m: Module, acc: ValueLike, shift: int | Value) -> Signal:
    """``(acc + half) >> shift``, ties up, without saturation: a signed signal wide enough for every result."""
    acc = _signed(Value.cast(acc))
    doubled = Signal(signed(len(acc) + 1), name="doubled")  # its last bit is the half that decides the rounding
    if isinstance(shift, int):
        m.d.comb += doubled.eq(acc >> (shift - 1) if shift else acc << 1)
    else:
        m.d.comb += doubled.eq((acc << 1) >> shift)
    rounded = Signal(signed(len(acc) + 1 if not isinstance(shift, int) else max(len(acc) + 1 - shift, 1) + 1), name="rounded")
    m.d.comb += rounded.eq((doubled >> 1) + doubled[0])
    return rounded


def saturate(m: Module, value: ValueLike, out: IntFormat) -> Signal:
    """`value` clipped to `out`, decided by its upper bits alone."""
    source, kept = _signed(Value.cast(value)), out.bits - out.signed
    # One bit more than a fitting value needs, so that the upper bits are never none at all: all of none is 0 in Verilog.
    value = Signal(signed(max(len(source), kept + 2)), name="unsaturated")
    result = Signal(shape_of(out), name="saturated")
    m.d.comb += value.eq(source)
    negative = value[-1]
    upper = value[kept:-1]
    limit_low = Cat(*([0] * kept), 1) if out.signed else Cat(*([0] * kept))
    limit_high = Cat(*([1] * kept), 0) if out.signed else Cat(*([1] * kept))
    fits_high, fits_low = ~upper.any(), upper.all() if out.signed else 0
    in_range = Cat(value[:kept], negative) if out.signed else value[:kept]
    m.d.comb += result.eq(Mux(negative, Mux(fits_low, in_range, limit_low), Mux(fits_high, in_range, limit_high)))
    return result


def _signed(value: Value) -> Value:
    return value if value.shape().signed else Cat(value, 0).as_signed()


class Requantize(wiring.Component):
    """Accumulator to activation: ``o = saturate((i + half) >> shift)``, half = (1 << shift) >> 1.

    i: stream of `acc`, any order, one value per transfer.  o: stream of `out`, same order.
    Latency 1 cycle, throughput 1 value per cycle. Golden twin: quant.golden.requantize.
    """

    latency_cycles = 1

    def __init__(self, *, acc: IntFormat, out: IntFormat, shift: int):
        self.acc, self.out, self.shift = acc, out, shift
        super().__init__({"i": In(stream.Signature(shape_of(acc))), "o": Out(stream.Signature(shape_of(out)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        result = half_up_shift(m, self.i.payload, self.shift, self.out)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += self.o.payload.eq(result)
        return m
