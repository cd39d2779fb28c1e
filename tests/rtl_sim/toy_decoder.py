"""A top level with the decoder's ports and two taps, small enough to reason about, and its golden twin."""

import numpy as np
from amaranth.hdl import Module, Mux, Shape, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from designs.ind_tiny import IND_TINY
from designs.layer_table import StreamShape
from designs.number_format import IntFormat

DESIGN = IND_TINY
TOKEN_SAMPLES = DESIGN.tokenizer.token_samples * DESIGN.tokenizer.channels
TAPS = (StreamShape("sums", (1,), IntFormat(20)), StreamShape("readout", (4,), IntFormat(22)))


class ToyDecoder(wiring.Component):
    """sums: every token's sum of samples. readout: that sum times 1, 2, 3, 4, for every token from the fourth on; class 3.

    The load port takes frames of two bytes: equal ones load, others are an error. Until then no samples are taken.
    fault: from the 20th token on the sum is one too large.
    """

    def __init__(self, *, preloaded: bool = True, fault: bool = False):
        self._preloaded, self._fault = preloaded, fault
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
        sums, sums_valid, sums_ready = self._tap("sums", signed(20))
        readout, readout_valid, readout_ready = self._tap("readout", signed(22))
        last_sample = in_token == TOKEN_SAMPLES - 1
        index, busy = Signal(range(4)), Signal()
        after = Signal(signed(20))
        wrong = (tokens >= 20) & int(self._fault)
        m.d.comb += after.eq(total + self.s_axis_tdata.as_signed() + (wrong & last_sample))
        m.d.comb += [sums.eq(after), sums_valid.eq(self.s_axis_tvalid & last_sample & self.loaded), sums_ready.eq(~busy)]
        m.d.comb += self.s_axis_tready.eq(self.loaded & ~(last_sample & busy))
        with m.If(self.s_axis_tvalid & self.s_axis_tready):
            m.d.sync += [in_token.eq(Mux(last_sample, 0, in_token + 1)), total.eq(Mux(last_sample, 0, after))]
            with m.If(last_sample):
                m.d.sync += [held.eq(after), tokens.eq(tokens + 1), busy.eq(tokens >= DESIGN.model.tokens - 1)]
        m.d.comb += [readout.eq(held * (index + 1)), readout_valid.eq(busy), readout_ready.eq(self.m_axis_tready)]
        m.d.comb += [self.m_axis_tdata.eq(readout), self.m_axis_tvalid.eq(busy), self.m_axis_tlast.eq(index == 3)]
        m.d.comb += self.m_axis_tuser.eq(3)
        with m.If(busy & self.m_axis_tready):
            m.d.sync += index.eq(index + 1)
            with m.If(index == 3):
                m.d.sync += busy.eq(0)
        self._load_port(m)
        return m

    @staticmethod
    def _tap(name: str, payload: Shape) -> list[Signal]:
        parts = {"payload": payload, "valid": unsigned(1), "ready": unsigned(1)}
        return [Signal(shape, name=f"tap_{name}_{part}", attrs={"keep": 1}) for part, shape in parts.items()]

    def _load_port(self, m: Module) -> None:
        second, first = Signal(), Signal(unsigned(8))
        m.d.comb += self.load_tready.eq(1)
        with m.If(self.load_tvalid):
            m.d.sync += [second.eq(~second), first.eq(self.load_tdata)]
            with m.If(second):
                good = self.load_tdata == first
                m.d.sync += [self.loaded.eq(good & ~self.armed), self.load_error.eq(~good), self.load_refused.eq(self.armed)]


def trace(samples: np.ndarray) -> dict[str, np.ndarray]:
    """The golden twin: samples [samples, channels] -> its two taps and the decision."""
    sums = samples.reshape(-1, TOKEN_SAMPLES).sum(axis=1)
    last = sums[DESIGN.model.tokens - 1 :, None]
    return {"sums": sums[:, None], "readout": last * np.arange(1, 5), "decision": np.full_like(last, 3)}
