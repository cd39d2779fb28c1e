"""IEEE 754 binary32: fields of a value, and rounding to nearest, ties to even. Subnormals are taken and given as zeros."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

BITS, FRACTION, EXPONENT = 32, 23, 8
BIAS, LARGEST_EXPONENT = 127, 255
NAN = 0x7FC00000
"""The one NaN that is given."""


@dataclass(frozen=True)
class Fields:
    """A value taken apart. `mantissa`: 24 bits with its leading one, 0 for a zero; a subnormal is a zero of its sign."""

    sign: Value
    exponent: Value
    mantissa: Value
    is_zero: Value
    is_infinite: Value
    is_nan: Value

    @property
    def magnitude(self) -> Value:
        """Exponent and fraction as one number: larger where the value is larger."""
        return Cat(self.mantissa[:FRACTION], self.exponent)


def fields_of(m: Module, value: Value, name: str) -> Fields:
    """The fields of 32 bits."""
    fraction, exponent = value[:FRACTION], value[FRACTION : FRACTION + EXPONENT]
    is_zero, mantissa = Signal(name=f"{name}_is_zero"), Signal(FRACTION + 1, name=f"{name}_mantissa")
    largest = exponent == LARGEST_EXPONENT
    m.d.comb += [is_zero.eq(exponent == 0), mantissa.eq(Mux(is_zero, 0, Cat(fraction, 1)))]
    return Fields(value[-1], exponent, mantissa, is_zero, largest & (fraction == 0), largest & (fraction != 0))


def rounded_value(m: Module, sign: Value, exponent: Value, mantissa: Value, guard: Value, sticky: Value) -> Value:
    """32 bits: mantissa (24 bits, leading one) and what is below it, at `exponent` (biased, signed), rounded to nearest even.

    Infinite beyond the largest exponent. A zero of `sign` where `exponent`, before rounding, is below the smallest.
    """
    total, final = Signal(FRACTION + 2), Signal(signed(EXPONENT + 3))
    m.d.comb += [
        total.eq(mantissa + (guard & (sticky | mantissa[0]))),
        final.eq(exponent + total[-1]),  # where all ones round up, the fraction is 0 as it stands
    ]
    found = Cat(total[:FRACTION], final[:EXPONENT])
    infinite = Const(LARGEST_EXPONENT << FRACTION, BITS - 1)
    return Cat(Mux(exponent < 1, 0, Mux(final >= LARGEST_EXPONENT, infinite, found)), sign)
