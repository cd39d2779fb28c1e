"""Integer units: a bare multiplier, multiplications by constants, and one multiply-add of the engine's array by itself."""

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from designs.number_format import IntFormat
from hw.rtl.mac_array import Mac, digits_layout, recoded
from hw.rtl.payloads import shape_of
from hw.rtl.shift_add import weighted_sum


class BareMultiplier(wiring.Component):
    """``o = a * b`` and nothing else; how is left to synthesis."""

    latency_cycles = 0

    def __init__(self, a: IntFormat, b: IntFormat):
        product = Shape.cast((Value.cast(Signal(shape_of(a))) * Value.cast(Signal(shape_of(b)))).shape())
        super().__init__({"a": In(shape_of(a)), "b": In(shape_of(b)), "o": Out(product)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(self.a * self.b)
        return m


class ConstantProducts(wiring.Component):
    """``o_<i> = constants[i] * a`` by shifts and adds, a product for each constant: what filters multiply one value by.

    Terms are canonical signed digits; a constant of one digit is wires.
    """

    latency_cycles = 0

    def __init__(self, a: IntFormat, constants: Sequence[int]):
        self.constants = tuple(constants)
        outputs = {f"o_{i}": Out(signed(_bits(a, constant))) for i, constant in enumerate(self.constants)}
        super().__init__({"a": In(shape_of(a)), **outputs})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for i, constant in enumerate(self.constants):
            m.d.comb += getattr(self, f"o_{i}").eq(weighted_sum([self.a], (constant,)) if constant else Const(0))
        return m


def _bits(a: IntFormat, constant: int) -> int:
    largest = max(abs(a.min), a.max) * max(1, abs(constant))
    return largest.bit_length() + 1


class IntegerMac(wiring.Component):
    """``o += a * b`` in a register, from 0 on where `first`: one multiply-add of hw.rtl.mac_array, recoding `b` itself."""

    latency_cycles = 1

    def __init__(self, *, a_bits: int, b_bits: int, sum_bits: int):
        self._mac = Mac(own_bits=a_bits, shared_bits=b_bits, bias_bits=1, sum_bits=sum_bits)
        self._digits = digits_layout(b_bits)
        super().__init__({"a": In(signed(a_bits)), "b": In(signed(b_bits)), "first": In(1), "o": Out(signed(sum_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.mac = mac = self._mac
        total = Signal(self.o.shape(), reset_less=True)
        m.d.comb += [
            mac.own.eq(self.a),
            Value.cast(mac.shared).eq(recoded(self.b, Const(0))),
            mac.first.eq(self.first),
            mac.total.eq(total),
            self.o.eq(total),
        ]
        m.d.sync += total.eq(mac.next_total)
        return m
