"""A multiply-add in binary32: the product rounded, added to the sum, rounded again.

Equal to numpy's float32 bit by bit, products below 2 ** -126 taken as zero.
"""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.reference.binary32 import BIAS, BITS, EXPONENT, FRACTION, LARGEST_EXPONENT, NAN, fields_of, rounded_value

BELOW = 3
"""Bits kept below the mantissa while adding: guard, round, and one for whatever else was shifted out."""


class FloatMultiplier(wiring.Component):
    """``o = a * b`` in binary32 (hw.reference.binary32: nearest even, subnormals are zeros), without registers.

    A result is a zero where the exact product is below 2 ** -126.
    """

    latency_cycles = 0

    def __init__(self) -> None:
        super().__init__({"a": In(BITS), "b": In(BITS), "o": Out(BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = fields_of(m, self.a, "a"), fields_of(m, self.b, "b")
        product, exponent = Signal(2 * FRACTION + 2), Signal(signed(EXPONENT + 2))
        high = product[-1]
        m.d.comb += [
            product.eq(a.mantissa * b.mantissa),
            exponent.eq(a.exponent + b.exponent - BIAS + high),
        ]
        mantissa = Mux(high, product[FRACTION + 1 :], product[FRACTION:-1])
        guard = Mux(high, product[FRACTION], product[FRACTION - 1])
        sticky = product[: FRACTION - 1].any() | (high & product[FRACTION - 1])
        sign = a.sign ^ b.sign
        result = rounded_value(m, sign, exponent, mantissa, guard, sticky)
        zero, infinite = a.is_zero | b.is_zero, a.is_infinite | b.is_infinite
        nan = a.is_nan | b.is_nan | (zero & infinite)
        extreme = Mux(infinite, Const(LARGEST_EXPONENT << FRACTION, BITS - 1), 0)
        m.d.comb += self.o.eq(Mux(nan, NAN, Mux(zero | infinite, Cat(extreme, sign), result)))
        return m


class FloatAdder(wiring.Component):
    """``o = a + b`` in binary32 (hw.reference.binary32), without registers. An exact 0 is +0 unless both are -0."""

    latency_cycles = 0

    def __init__(self) -> None:
        super().__init__({"a": In(BITS), "b": In(BITS), "o": Out(BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = fields_of(m, self.a, "a"), fields_of(m, self.b, "b")
        swap = b.magnitude > a.magnitude
        sign, exponent = Mux(swap, b.sign, a.sign), Mux(swap, b.exponent, a.exponent)
        large, small = Mux(swap, b.mantissa, a.mantissa), Mux(swap, a.mantissa, b.mantissa)
        distance = Signal(EXPONENT)
        m.d.comb += distance.eq(exponent - Mux(swap, a.exponent, b.exponent))
        aligned, total = Signal(FRACTION + 1 + BELOW), Signal(FRACTION + 2 + BELOW)
        m.d.comb += aligned.eq(shifted_with_sticky(small << BELOW, distance))
        subtracts = a.sign ^ b.sign
        m.d.comb += total.eq(Mux(subtracts, (large << BELOW) - aligned, (large << BELOW) + aligned))
        normal, zeros = _leading_one_to_the_top(m, total[:-1])
        carried = total[-1]
        kept = Signal(FRACTION + 1 + BELOW)
        final = Signal(signed(EXPONENT + 2))
        m.d.comb += [
            kept.eq(Mux(carried, Cat(total[0] | total[1], total[2:]), normal)),
            final.eq(Mux(carried, exponent + 1, exponent - zeros)),
        ]
        result = rounded_value(m, sign, final, kept[BELOW:], kept[BELOW - 1], kept[: BELOW - 1].any())
        exact_zero = Cat(Const(0, BITS - 1), a.sign & b.sign)
        infinite = Cat(Const(LARGEST_EXPONENT << FRACTION, BITS - 1), Mux(a.is_infinite, a.sign, b.sign))
        nan = a.is_nan | b.is_nan | (a.is_infinite & b.is_infinite & subtracts)
        finite = Mux(total == 0, exact_zero, result)
        m.d.comb += self.o.eq(Mux(nan, NAN, Mux(a.is_infinite | b.is_infinite, infinite, finite)))
        return m


def shifted_with_sticky(value: Value, distance: Value) -> Value:
    """``value >> distance``, its lowest bit also 1 where anything but zeros was shifted out."""
    width, current, lost = len(value), value, []
    for stage in range(len(distance)):
        step = 1 << stage
        chosen = distance[stage]
        lost.append(chosen & current[: min(step, width)].any())
        moved = current[step:] if step < width else Const(0, 1)
        current = Mux(chosen, moved, current)
    return Cat(reduce(or_, lost, current[0]), current[1:width])


def _leading_one_to_the_top(m: Module, value: Value) -> tuple[Value, Value]:
    """(`value` shifted left until its top bit is 1, by how much); anything for 0."""
    width, current, taken = len(value), value, []
    for stage in reversed(range((width - 1).bit_length())):
        step = 1 << stage
        empty, moved = Signal(name=f"empty_{step}"), Signal(width, name=f"moved_{step}")
        m.d.comb += [empty.eq(current[-step:] == 0), moved.eq(Mux(empty, current << step, current))]
        current = moved
        taken.append(empty)
    return current, Cat(*reversed(taken))


class FloatMac(wiring.Component):
    """``o = (0 if first else o) + a * b`` in a register: what stands for one multiply-add at full precision.

    The rounded product is a register too, so that the adder does not follow the glitches of the multiplier: without it a
    multiply-add took 107 pJ instead of 85 (IHP SG13G2, high figure, operands of ind_int4). A new product every cycle.
    """

    latency_cycles = 2

    def __init__(self) -> None:
        super().__init__({"a": In(BITS), "b": In(BITS), "first": In(1), "o": Out(BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.multiplier = multiplier = FloatMultiplier()
        m.submodules.adder = adder = FloatAdder()
        total, product, starts = Signal(BITS, reset_less=True), Signal(BITS, reset_less=True), Signal(reset_less=True)
        m.d.comb += [
            multiplier.a.eq(self.a),
            multiplier.b.eq(self.b),
            adder.a.eq(product),
            adder.b.eq(total & ~starts.replicate(BITS)),
            self.o.eq(total),
        ]
        m.d.sync += [product.eq(multiplier.o), starts.eq(self.first), total.eq(adder.o)]
        return m
