"""Our own matrix-vector core: `pe` output-stationary sums, each of `simd` products per cycle (docs/blocks/linear.md)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import LinearLayer
from hw.plan.folding import Folding
from hw.rtl.payloads import shape_of, vector_of
from hw.rtl.replay import MemoryReplay, RegisterReplay

REGISTER_INPUTS_MAX = 64
"""Longer input vectors are kept in a memory: in silicon, registers cost less than the smallest macro up to here."""


def matrix_vector_signature(layer: LinearLayer, folding: Folding) -> wiring.Signature:
    """The ports that every matrix-vector backend has; the conventions are those of FINN's MVAU.

    i: stream of `simd` activations, sf = 0 .. inputs/simd - 1, vector after vector.
    w: stream of `pe * simd` weights, for each vector nf = 0 .. outputs/pe - 1 and within it sf; weight
       [nf * pe + p, sf * simd + s] at place p * simd + s.
    o: stream of `pe` sums in `layer.bias` format (no bias added), nf ascending.
    """
    return wiring.Signature(
        {
            "i": In(stream.Signature(vector_of(layer.input, folding.simd))),
            "w": In(stream.Signature(vector_of(layer.weight, folding.pe * folding.simd))),
            "o": Out(stream.Signature(vector_of(layer.bias, folding.pe))),
        }
    )


class MatrixVector(wiring.Component):
    """``o[p] = sum over inputs of weight * i``: the input vector is kept and replayed for the outputs/pe folds.

    Ports: `matrix_vector_signature`. Throughput: one weight word per cycle, so inputs * outputs / (pe * simd) cycles per
    vector. `o` is registered; nothing toggles while a stream waits. Golden twin: quant.golden.linear, without the bias.
    """

    latency_cycles = 2
    """From the last word of a vector to the first sums when there is one fold."""

    def __init__(self, layer: LinearLayer, folding: Folding, *, register_inputs_max: int = REGISTER_INPUTS_MAX):
        self.layer, self.folding, self._register_inputs_max = layer, folding, register_inputs_max
        super().__init__(matrix_vector_signature(layer, folding))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer, pe, simd = self.layer, self.folding.pe, self.folding.simd
        steps = layer.inputs // simd
        size = {"payload": vector_of(layer.input, simd), "words": steps, "times": layer.outputs // pe}
        if layer.inputs > self._register_inputs_max:
            x = MemoryReplay(**size)
        else:
            # a layer that works once per decision has time to wait for its next vector
            x = RegisterReplay(**size, banks=1 if layer.tokens == 1 else 2)
        m.submodules.replay = x
        wiring.connect(m, wiring.flipped(self.i), x.i)

        step_index, free, step = Signal(range(steps)), Signal(), Signal()
        is_last = Signal()
        m.d.comb += [
            is_last.eq(step_index == steps - 1),
            free.eq(~is_last | ~self.o.valid),
            step.eq(x.o.valid & self.w.valid & free),
            x.o.ready.eq(self.w.valid & free),
            self.w.ready.eq(x.o.valid & free),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step):
            m.d.sync += step_index.eq(Mux(is_last, 0, step_index + 1))
            with m.If(is_last):
                m.d.sync += self.o.valid.eq(1)
        for p in range(pe):
            acc, total = Signal(shape_of(layer.bias), name=f"acc{p}"), Signal(shape_of(layer.bias), name=f"total{p}")
            products = sum(self.w.payload[p * simd + s] * x.o.payload[s] for s in range(simd))
            m.d.comb += total.eq(Mux(step_index == 0, 0, acc) + products)
            with m.If(step & ~is_last):
                m.d.sync += acc.eq(total)
            with m.If(step & is_last):
                m.d.sync += self.o.payload[p].eq(total)
        return m
