"""The engine's multipliers: `rows` outputs times `tokens` lanes of sums (docs/blocks/mac_array.md)."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out


class Mac(wiring.Component):
    """One multiplier and its sum: ``sum += own * shared``, or ``bias + own * shared`` where it is the first, while `step`.

    A module of its own, so that its cells keep together: most of their wires end within it.
    """

    def __init__(self, *, own_bits: int, shared_bits: int, bias_bits: int, sum_bits: int):
        super().__init__(
            {
                "own": In(signed(own_bits)),
                "shared": In(signed(shared_bits)),
                "bias": In(signed(bias_bits)),
                "step": In(1),
                "first": In(1),
                "sum": Out(signed(sum_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total = Signal.like(self.sum, reset_less=True)
        m.d.comb += self.sum.eq(total)
        with m.If(self.step):
            m.d.sync += total.eq(Mux(self.first, self.bias, total) + self.own * self.shared)
        return m


class MacArray(wiring.Component):
    """``sum[row][lane] += shared[lane % kinds][row] * own[lane]``, a new sum starting from `bias[row]`.

    step: multiply and add, in the lanes of `lanes`; first: start the sums anew. own, shared: operands, signed.
    The sums are read without delay: `place` picks a row, of which `column` has every lane, or with `by_lane` a lane, of which
    `column` has every row. Golden twin: quant.golden.linear, one step of its matrix product per cycle.
    """

    def __init__(
        self, *, rows: int, lanes: int, own_bits: int, shared_bits: int, bias_bits: int, sum_bits: int, kinds: int = 1
    ):
        if rows > lanes:
            raise ValueError(f"MacArray: rows={rows} is more than lanes={lanes}; use at most as many")
        self._rows, self._lanes, self._kinds = rows, lanes, kinds
        self._bits = {"own_bits": own_bits, "shared_bits": shared_bits, "bias_bits": bias_bits, "sum_bits": sum_bits}
        super().__init__(
            {
                "own": In(data.ArrayLayout(signed(own_bits), lanes)),
                "shared": In(data.ArrayLayout(data.ArrayLayout(signed(shared_bits), rows), kinds)),
                "bias": In(data.ArrayLayout(signed(bias_bits), rows)),
                "step": In(1),
                "first": In(1),
                "lanes": In(lanes),
                "place": In(range(lanes)),
                "by_lane": In(1),
                "column": Out(data.ArrayLayout(signed(sum_bits), lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        macs = [[Mac(**self._bits) for _ in range(self._lanes)] for _ in range(self._rows)]
        for row, of_row in enumerate(macs):
            for lane, mac in enumerate(of_row):
                m.submodules[f"mac_{row}_{lane}"] = mac
                m.d.comb += [
                    mac.own.eq(self.own[lane]),
                    mac.shared.eq(self.shared[lane % self._kinds][row]),
                    mac.bias.eq(self.bias[row]),
                    mac.first.eq(self.first),
                    mac.step.eq(self.step & self.lanes[lane]),
                ]
        sums = [[mac.sum for mac in of_row] for of_row in macs]
        for lane in range(self._lanes):
            of_place = pick([sums[row][lane] for row in range(self._rows)], self.place)
            if lane < self._rows:
                m.d.comb += self.column[lane].eq(Mux(self.by_lane, pick(sums[lane], self.place), of_place))
            else:
                m.d.comb += self.column[lane].eq(of_place)
        return m


def pick(values: Sequence[Value], index: Value) -> Value:
    """``values[index]`` as a tree of two-way multiplexers; anything where there is no such value."""
    if len(values) == 1:
        return values[0]
    half = 1 << ((len(values) - 1).bit_length() - 1)
    return Mux(index[half.bit_length() - 1], pick(values[half:], index), pick(values[:half], index))
