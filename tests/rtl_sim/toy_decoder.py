"""A top level with the decoder's ports and three taps, small enough to reason about, and its golden twin."""

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from designs.ind_tiny import IND_TINY
from designs.layer_table import StreamShape
from designs.number_format import IntFormat
from hw.plan.taps import Order, Tap

DESIGN = IND_TINY
TOKEN_SAMPLES = DESIGN.tokenizer.token_samples * DESIGN.tokenizer.channels
PAIRS = (2, 4)
"""Rows and outputs of the tap with several lanes."""
TAPS = (
    Tap(StreamShape("sums", (1,), IntFormat(20))),
    Tap(StreamShape("pairs", PAIRS, IntFormat(7)), Order.GROUPS, lanes=2),
    Tap(StreamShape("readout", (4,), IntFormat(22))),
)


class ToyDecoder(wiring.Component):
    """sums: every token's sum of samples. readout: that sum times 1, 2, 3, 4, for every token from the fourth on; class 3.
    pairs, with each readout value: the sum's low 7 bits as outputs 2 g and 2 g + 1 of row t, where t is the lower bit of the
    value's number and g the upper one, each xor its place 4 t + output.

    The load port takes frames of two bytes: equal ones load, others are an error. Until then no samples are taken.
    fault: from the 20th token on the sum is one too large. lane_fault: output 3 of row 1 of every pair has its sign turned.
    follows: ready waits for valid within the cycle.
    """

    def __init__(self, *, preloaded: bool = True, fault: bool = False, lane_fault: bool = False, follows: bool = False):
        self._preloaded, self._fault, self._lane_fault, self._follows = preloaded, fault, lane_fault, follows
        super().__init__(
            {
                "s_axis_tdata": In(16), "s_axis_tvalid": In(1), "s_axis_tready": Out(1),
                "m_axis_tdata": Out(32), "m_axis_tuser": Out(2), "m_axis_tlast": Out(1), "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1), "load_tdata": In(8), "load_tvalid": In(1), "load_tready": Out(1), "armed": In(1),
                "loaded": Out(1, init=preloaded), "load_error": Out(1), "load_refused": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total, held, in_token, tokens = Signal(signed(20)), Signal(signed(20)), Signal(range(TOKEN_SAMPLES)), Signal(16)
        last_sample = in_token == TOKEN_SAMPLES - 1
        index, busy = Signal(range(4)), Signal()
        after, readout = Signal(signed(20)), Signal(signed(22))
        wrong = (tokens >= 20) & int(self._fault)
        m.d.comb += after.eq(total + self.s_axis_tdata.as_signed() + (wrong & last_sample))
        m.d.comb += self.s_axis_tready.eq(self.loaded & ~(last_sample & busy) & (self.s_axis_tvalid | (not self._follows)))
        with m.If(self.s_axis_tvalid & self.s_axis_tready):
            m.d.sync += [in_token.eq(Mux(last_sample, 0, in_token + 1)), total.eq(Mux(last_sample, 0, after))]
            with m.If(last_sample):
                m.d.sync += [held.eq(after), tokens.eq(tokens + 1), busy.eq(tokens >= DESIGN.model.tokens - 1)]
        m.d.comb += readout.eq(held * (index + 1))
        m.d.comb += [self.m_axis_tdata.eq(readout), self.m_axis_tvalid.eq(busy), self.m_axis_tlast.eq(index == 3)]
        m.d.comb += self.m_axis_tuser.eq(3)
        with m.If(busy & self.m_axis_tready):
            m.d.sync += index.eq(index + 1)
            with m.If(index == 3):
                m.d.sync += busy.eq(0)
        decided = busy & self.m_axis_tready
        self._show(m, "sums", after, self.s_axis_tvalid & self.s_axis_tready & last_sample)
        self._show(m, "pairs", self._pair(held, group=index[1], row=index[0]), decided)
        self._show(m, "readout", readout, decided)
        self._load_port(m)
        return m

    def _pair(self, held: Value, *, group: Value, row: Value) -> Value:
        """Two lanes of 8 bits; the upper bit of each is not the tap's."""
        lanes = [held[:8] ^ Cat(Const(lane, 1), group, row) for lane in range(2)]
        lanes[1] = lanes[1] ^ Mux(group & row & int(self._lane_fault), 1 << 6, 0)
        return Cat(lane[:8] for lane in lanes)

    @staticmethod
    def _show(m: Module, name: str, value: Value, transferred: Value) -> None:
        """A tap: value and transfer of the cycle before."""
        payload = Signal(Shape.cast(value.shape()), name=f"tap_{name}_payload", attrs={"keep": 1})
        valid = Signal(name=f"tap_{name}_valid", attrs={"keep": 1})
        m.d.sync += [payload.eq(value), valid.eq(transferred)]

    def _load_port(self, m: Module) -> None:
        second, first = Signal(), Signal(unsigned(8))
        m.d.comb += self.load_tready.eq(1)
        with m.If(self.load_tvalid):
            m.d.sync += [second.eq(~second), first.eq(self.load_tdata)]
            with m.If(second):
                good = self.load_tdata == first
                m.d.sync += [self.loaded.eq(good & ~self.armed), self.load_error.eq(~good), self.load_refused.eq(self.armed)]


def trace(samples: np.ndarray) -> dict[str, np.ndarray]:
    """The golden twin: samples [samples, channels] -> its taps and the decision."""
    sums = samples.reshape(-1, TOKEN_SAMPLES).sum(axis=1)
    last = sums[DESIGN.model.tokens - 1 :, None]
    pairs = (last ^ np.arange(8)) + 64 & 127
    return {
        "sums": sums[:, None],
        "pairs": pairs.reshape(-1, *PAIRS) - 64,
        "readout": last * np.arange(1, 5),
        "decision": np.full_like(last, 3),
    }
