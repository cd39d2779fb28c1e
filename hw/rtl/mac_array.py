"""The engine's multipliers: `rows` outputs times `tokens` lanes of sums (docs/blocks/mac_array.md)."""

from collections.abc import Sequence
from functools import reduce
from itertools import product
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.payloads import lanes_of

DIGIT = data.StructLayout({"one": 1, "two": 1, "negative": 1})
"""A radix-4 digit of -2 to 2: its amount, and its sign."""


def digits_layout(bits: int) -> data.ArrayLayout:
    """The digits of a signed value of `bits` bits, lowest first."""
    return data.ArrayLayout(DIGIT, -(-bits // 2))


def recoded(value: Value, carry: Value) -> Value:
    """``value + carry`` as `digits_layout` (Booth 1951; MacSorley 1961): `carry` is the bit below the lowest, and free."""
    bits, digits = Cat(carry, value, value[-1]), []
    for place in range(0, len(value), 2):
        low, middle, high = (bits[place + each] for each in range(3))
        digits.append(Cat(low ^ middle, (low == middle) & (middle != high), high))
    return Cat(*digits)


class Product(wiring.Component):
    """``product = own * shared``, `shared` in digits, without registers: half as many rows to add as it has bits.

    A module of its own: its sum is as wide as the product and not, by sign extension, as the running sum.
    """

    def __init__(self, *, own_bits: int, shared_bits: int):
        super().__init__(
            {
                "own": In(signed(own_bits)),
                "shared": In(digits_layout(shared_bits)),
                "product": Out(signed(own_bits + shared_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        once, twice = Cat(self.own, self.own[-1]), Cat(Const(0, 1), self.own)
        rows, ones = [], []  # a negative row is what is there inverted, and a one
        for place, digit in enumerate(self.shared):
            row = Signal(signed(len(once)), name=f"row_{place}")
            one, two, negative = (bit.replicate(len(row)) for bit in (digit.one, digit.two, digit.negative))
            m.d.comb += row.eq(((once & one) | (twice & two)) ^ negative)
            rows.append(row << 2 * place)
            ones += [digit.negative, Const(0, 1)]
        m.d.comb += self.product.eq(Cat(*ones) + sum(rows))
        return m


class Mac(wiring.Component):
    """One multiplier and its adder: ``next_total = (bias if first else total) + own * shared``, without registers.

    bias: 0 unless `first`. A module of its own, so that its cells keep together: most of their wires end within it.
    """

    def __init__(self, *, own_bits: int, shared_bits: int, bias_bits: int, sum_bits: int):
        self._product = Product(own_bits=own_bits, shared_bits=shared_bits)
        super().__init__(
            {
                "own": In(signed(own_bits)),
                "shared": In(digits_layout(shared_bits)),
                "bias": In(signed(bias_bits)),
                "first": In(1),
                "total": In(signed(sum_bits)),
                "next_total": Out(signed(sum_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.product = multiplier = self._product
        start = Signal.like(self.total)
        m.d.comb += [
            multiplier.own.eq(self.own),
            multiplier.shared.eq(self.shared),
            start.eq((self.total & ~self.first.replicate(len(start))) | self.bias),
            self.next_total.eq(start + multiplier.product),
        ]
        return m


class MacLane(wiring.Component):
    """The operand and the sums of one lane, a sum per row.

    keep: take `own` as the operand; step: ``sum[row] += shared[row] * operand``, from `bias[row]` on where `first`; else `bias`
    is 0.
    column: the sum of the row of `shown`, one bit per row, or 0; row_sums: the low `row_bits` of every sum while `row_shown`,
    else 0, so that nothing beyond the lane follows sums that grow.
    """

    def __init__(self, *, rows: int, own_bits: int, shared_bits: int, bias_bits: int, sum_bits: int, row_bits: int):
        self._rows = rows
        self._bits = {"own_bits": own_bits, "shared_bits": shared_bits, "bias_bits": bias_bits, "sum_bits": sum_bits}
        row_sum = signed(min(row_bits, sum_bits))
        super().__init__(
            {
                "own": In(signed(own_bits)),
                "keep": In(1),
                "shared": In(data.ArrayLayout(digits_layout(shared_bits), rows)),
                "bias": In(data.ArrayLayout(signed(bias_bits), rows)),
                "step": In(1),
                "first": In(1),
                "shown": In(rows),
                "row_shown": In(1),
                "column": Out(signed(sum_bits)),
                "row_sums": Out(data.ArrayLayout(row_sum, rows)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        operand = Signal.like(self.own, reset_less=True)
        with m.If(self.keep):
            m.d.sync += operand.eq(self.own)
        sums = [Signal(signed(self._bits["sum_bits"]), name=f"sum_{row}", reset_less=True) for row in range(self._rows)]
        for row, total in enumerate(sums):
            m.submodules[f"mac_{row}"] = mac = Mac(**self._bits)
            m.d.comb += [
                mac.own.eq(operand),
                mac.shared.eq(self.shared[row]),
                mac.bias.eq(self.bias[row]),  # where sums are narrower, so are the layers' biases
                mac.first.eq(self.first),
                mac.total.eq(total),
                self.row_sums[row].eq(Mux(self.row_shown, total, 0)),
            ]
            with m.If(self.step):
                m.d.sync += total.eq(mac.next_total)
        m.d.comb += self.column.eq(chosen(sums, self.shown))
        return m


class MacArray(wiring.Component):
    """``sum[row][lane] += (shared[lane % kinds][row] + carry[row]) * own[lane]``, a new sum starting from `bias[row]`.

    take: keep `shared`, `carry`, `first`, `lanes` and, in the lanes of `lanes`, `own`, and multiply and add them there in the
    next cycle; first: start the sums anew, from `bias` as it then is. own, shared: operands, signed.
    The sums are read without delay while `show`: `place` picks a row, of which `column` has every lane, or with `by_lane` a
    lane, of which `column` has every row; otherwise `column` is 0. Golden twin: quant.golden.linear, one step of its matrix
    product per cycle. sum_bits: of every lane's sums; row_bits: of sums that are read with `by_lane`, where they need no more.
    """

    def __init__(
        self,
        *,
        rows: int,
        lanes: int,
        own_bits: int,
        shared_bits: int,
        bias_bits: int,
        sum_bits: Sequence[int],
        row_bits: int,
        kinds: int = 1,
    ):
        self._rows, self._lanes, self._kinds, self._places = rows, lanes, kinds, max(rows, lanes)
        self._bits = {"own_bits": own_bits, "shared_bits": shared_bits, "bias_bits": bias_bits, "row_bits": row_bits}
        self._sum_bits = tuple(sum_bits)
        super().__init__(
            {
                "own": In(data.ArrayLayout(signed(own_bits), lanes)),
                "shared": In(data.ArrayLayout(data.ArrayLayout(signed(shared_bits), rows), kinds)),
                "carry": In(rows),
                "bias": In(data.ArrayLayout(signed(bias_bits), rows)),
                "take": In(1),
                "first": In(1),
                "lanes": In(lanes),
                "show": In(1),
                "place": In(range(self._places)),
                "by_lane": In(1),
                "column": Out(lanes_of((*sum_bits, *(row_bits,) * (self._places - lanes)))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step, first, taking = Signal(), Signal(), Signal(self._lanes)
        digits = data.ArrayLayout(digits_layout(self._bits["shared_bits"]), self._rows)  # recoded once for all lanes
        shared = [Signal(digits, name=f"shared_{kind}", reset_less=True) for kind in range(self._kinds)]
        bias = Signal.like(self.bias)
        m.d.sync += step.eq(self.take)
        with m.If(self.take):
            for kind, row in product(range(self._kinds), range(self._rows)):
                m.d.sync += Value.cast(shared[kind][row]).eq(recoded(self.shared[kind][row], self.carry[row]))
            m.d.sync += [first.eq(self.first), taking.eq(self.lanes)]
        with m.If(step & first):  # the biases of the next sums are already gathered while these grow
            m.d.comb += bias.eq(self.bias)
        lanes = [MacLane(rows=self._rows, sum_bits=bits, **self._bits) for bits in self._sum_bits]
        shown = [self.show & ~self.by_lane & (self.place == row) for row in range(self._rows)]
        for number, lane in enumerate(lanes):
            m.submodules[f"lane_{number}"] = lane
            m.d.comb += [
                lane.own.eq(self.own[number]),
                lane.keep.eq(self.take & self.lanes[number]),
                lane.shared.eq(shared[number % self._kinds]),
                lane.bias.eq(bias),
                lane.step.eq(step & taking[number]),
                lane.first.eq(first),
                lane.shown.eq(Cat(*shown)),
                lane.row_shown.eq(self.show & self.by_lane & (self.place == number)),
            ]
        for number in range(self._places):
            parts: list[Value] = [lane.column for lane in lanes[number : number + 1]]
            if number < self._rows:
                parts.append(reduce(or_, (each.row_sums[number] for each in lanes)))
            found = reduce(or_, parts)
            m.d.comb += self.column[number].eq(found)
        return m


def chosen(values: Sequence[Value], which: Value) -> Value:
    """The value of the one bit of `which` that is set, or 0: ands and ors, in cells the smallest of all ways to choose."""
    found = reduce(or_, (Value.cast(value) & bit.replicate(len(value)) for value, bit in zip(values, which, strict=True)))
    return found.as_signed()


def pick(values: Sequence[Value], index: Value) -> Value:
    """``values[index]`` as a tree of two-way multiplexers; anything where there is no such value."""
    if len(values) == 1:
        return values[0]
    half = 1 << ((len(values) - 1).bit_length() - 1)
    return Mux(index[half.bit_length() - 1], pick(values[half:], index), pick(values[:half], index))
