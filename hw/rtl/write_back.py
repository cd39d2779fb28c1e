"""What becomes of the engine's sums: rounded, saturated, added to what is there (docs/blocks/write_back.md)."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from designs.number_format import IntFormat
from hw.rtl.payloads import lanes_of
from hw.rtl.requantize import round_shift, saturate

SHIFT_BITS = 5


class WriteBack(wiring.Component):
    """``rounded = clip((sums + half) >> shift, low, high)`` and ``added = saturate(left + right)`` in the stream format.

    All lanes at once, without registers; sum_bits: of each lane's sums. low, high: the limits of the format that this pass
    writes.
    Golden twins: quant.golden.requantize, quant.golden.residual.
    """

    def __init__(self, *, sum_bits: Sequence[int], lane_bits: int, stream: IntFormat):
        self._lanes, self._stream = len(sum_bits), stream
        self._limit = signed(lane_bits + 1)
        lane = data.ArrayLayout(unsigned(lane_bits), len(sum_bits))
        super().__init__(
            {
                "sums": In(lanes_of(sum_bits)),
                "shift": In(SHIFT_BITS),
                "low": In(self._limit),
                "high": In(self._limit),
                "rounded": Out(lane),
                "left": In(lane),
                "right": In(lane),
                "added": Out(lane),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for lane in range(self._lanes):
            rounded = round_shift(m, self.sums[lane], self.shift)
            clipped, total = Signal(self._limit, name=f"clipped_{lane}"), Signal(self._limit, name=f"total_{lane}")
            m.d.comb += [
                clipped.eq(Mux(rounded > self.high, self.high, Mux(rounded < self.low, self.low, rounded))),
                self.rounded[lane].eq(clipped),
                total.eq(self.left[lane].as_signed() + self.right[lane].as_signed()),
                self.added[lane].eq(saturate(m, total, self._stream)),
            ]
        return m
