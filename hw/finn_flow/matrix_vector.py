"""FINN's matrix-vector unit behind the ports of our own, so that either can stand in a linear layer."""

from amaranth.hdl import Cat, ClockSignal, Instance, Module, ResetSignal, Signal
from amaranth.lib import wiring

from designs.layer_table import LinearLayer
from hw.finn_flow.unit import generated_weight, module_name, port_widths
from hw.plan.folding import Folding
from hw.rtl.matrix_vector import matrix_vector_signature


class FinnMatrixVector(wiring.Component):
    """``o[p] = sum over inputs of weight * i``, drop-in for hw.rtl.matrix_vector.MatrixVector.

    Ports, orders and formats: `matrix_vector_signature`. Element 0 lies in the low bits on both sides, so the wrapper only
    pads: streams to whole bytes, and weights, sign-extended, to the width FINN's unit was generated for. The instantiated
    module comes from hw.finn_flow.generate.generate_mvau. FINN's reset is active low; its double clock is unused.

    Throughput: one weight word per cycle, FINN's get_exp_cycles(); every second cycle where a vector is a single word
    (`simd` = inputs): there FINN's output queue, sized for its pipeline alone, overflows under back pressure at full rate.
    """

    def __init__(self, layer: LinearLayer, folding: Folding):
        self.layer, self.folding = layer, folding
        super().__init__(matrix_vector_signature(layer, folding))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = port_widths(self.layer, self.folding)
        activations, weights, sums = (Signal(width[name], name=name) for name in ("in0_V", "in1_V", "out0_V"))
        wide = generated_weight(self.layer).bits
        places = [self.w.payload[place] for place in range(self.folding.multipliers)]
        m.d.comb += [
            activations.eq(self.i.payload.as_value()),
            weights.eq(Cat(extended(value, wide) for value in places)),
            self.o.payload.as_value().eq(sums),
        ]
        words_wanted, paused = Signal(), Signal()
        if self.folding.simd == self.layer.inputs:
            rest = Signal()
            m.d.comb += paused.eq(rest)
            m.d.sync += rest.eq(self.w.valid & self.w.ready)
        m.d.comb += self.w.ready.eq(words_wanted & ~paused)
        m.submodules.unit = Instance(
            module_name(self.layer),
            i_ap_clk=ClockSignal(),
            i_ap_clk2x=ClockSignal(),
            i_ap_rst_n=~ResetSignal(),
            i_in0_V_TDATA=activations,
            i_in0_V_TVALID=self.i.valid,
            o_in0_V_TREADY=self.i.ready,
            i_in1_V_TDATA=weights,
            i_in1_V_TVALID=self.w.valid & ~paused,
            o_in1_V_TREADY=words_wanted,
            o_out0_V_TDATA=sums,
            o_out0_V_TVALID=self.o.valid,
            i_out0_V_TREADY=self.o.ready,
        )
        return m


def extended(value: Signal, bits: int) -> Signal:
    """A signed value sign-extended to `bits` bits."""
    return Cat(value, value[-1].replicate(bits - len(value)))
