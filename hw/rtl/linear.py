"""A dense layer: weight memory, matrix-vector core, bias and requantization (docs/blocks/linear.md)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import LinearLayer, linear_layer
from hw.plan.folding import Folding
from hw.plan.memory import find_region
from hw.rtl.gather import Gather
from hw.rtl.load_port import LoadBus
from hw.rtl.matrix_vector import MatrixVector
from hw.rtl.payloads import shape_of, vector_of
from hw.rtl.requantize import half_up_shift
from hw.rtl.weight_memory import WeightMemory
from quant.golden.parameters import IntegerParameters

MatrixVectorFactory = Callable[[LinearLayer, Folding], wiring.Component]
"""Makes a core with the ports of hw.rtl.matrix_vector.matrix_vector_signature."""
NO_WORDS: Mapping[str, list[int]] = MappingProxyType({})


class Linear(wiring.Component):
    """``o = saturate((weight @ i + bias + half) >> shift)``; a layer without `out` format gives ``weight @ i + bias``.

    i: stream of `layer.input`, [tokens, inputs] row-major.  o: stream of `layer.out` (or `layer.acc`), [tokens, outputs].
    bus: the load bus, on which the regions `<layer>_weight` and `<layer>_bias` are filled. words: the regions' words by name
    (hw.plan.memory.load_words), where memories can be preset.
    Throughput: max(inputs * outputs / (pe * simd), inputs, outputs + outputs / pe) cycles per vector.
    Golden twin: quant.golden.linear.
    """

    def __init__(
        self,
        name: str,
        parameters: IntegerParameters,
        folding: Mapping[str, Folding],
        *,
        core: MatrixVectorFactory = MatrixVector,
        words: Mapping[str, list[int]] = NO_WORDS,
    ):
        self.design = design = parameters.design
        self.layer = layer = linear_layer(design, name)
        self.folding = folding[name]
        self.shift = parameters.linear[name].shift
        places = vector_of(layer.weight, self.folding.multipliers)
        weight, bias = (find_region(design, dict(folding), f"{name}_{part}") for part in ("weight", "bias"))
        self.weights = WeightMemory(weight, payload=places, init=words.get(weight.name, ()))
        self.biases = WeightMemory(bias, payload=shape_of(layer.bias), init=words.get(bias.name, ()))
        self.core = core(layer, self.folding)
        super().__init__(
            {
                "bus": In(LoadBus()),
                "i": In(stream.Signature(shape_of(layer.input))),
                "o": Out(stream.Signature(shape_of(layer.out or layer.acc))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.weights, m.submodules.biases, m.submodules.core = weights, biases, core = (
            self.weights,
            self.biases,
            self.core,
        )
        for memory in (weights, biases):
            wiring.connect(m, wiring.flipped(self.bus), memory.bus)
        wiring.connect(m, weights.o, core.w)
        self._connect_inputs(m)

        place, biased = Signal(range(self.folding.pe)), Signal(shape_of(self.layer.acc))
        is_last = Signal()
        m.d.comb += [
            is_last.eq(place == self.folding.pe - 1),
            biased.eq(Array(core.o.payload)[place] + biases.o.payload),
            self.o.valid.eq(core.o.valid & biases.o.valid),
            biases.o.ready.eq(core.o.valid & self.o.ready),
            core.o.ready.eq(biases.o.valid & self.o.ready & is_last),
        ]
        if self.layer.out is None:
            m.d.comb += self.o.payload.eq(biased)
        else:
            m.d.comb += self.o.payload.eq(half_up_shift(m, biased, self.shift, self.layer.out))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += place.eq(place + 1)
            with m.If(is_last):
                m.d.sync += place.eq(0)
        return m

    def _connect_inputs(self, m: Module) -> None:
        """Serial values to the core's words of `simd` values."""
        if self.folding.simd > 1:
            m.submodules.gather = gather = Gather(
                shape_of(self.layer.input), vector_of(self.layer.input, self.folding.simd), self.folding.simd
            )
            wiring.connect(m, wiring.flipped(self.i), gather.i)
            wiring.connect(m, gather.o, self.core.i)
        else:
            m.d.comb += [
                self.core.i.payload[0].eq(self.i.payload),
                self.core.i.valid.eq(self.i.valid),
                self.i.ready.eq(self.core.i.ready),
            ]
