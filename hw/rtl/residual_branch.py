"""What both halves of a transformer block have in common: layers on the load bus, and the residual stream past them."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.plan.folding import Folding
from hw.rtl.fork import Fork
from hw.rtl.linear import Linear, MatrixVectorFactory
from hw.rtl.load_port import LoadBus
from hw.rtl.payloads import shape_of
from hw.rtl.residual import Residual
from hw.rtl.window_buffer import WindowBuffer
from quant.golden.parameters import IntegerParameters


class ResidualBranch(wiring.Component):
    """``o = saturate(i + branch(i))``; a subclass connects the branch, from `fork.to_<reader>` to `residual.update`.

    i, o: streams of the residual stream's format, [tokens, embed_dim].  bus: the load bus.
    layers: names of the dense layers of transformer block `block`. readers: those that read `i`. tokens_in_flight: how many
    tokens wait in `buffer` for what the branch makes of them.
    """

    def __init__(
        self,
        block: int,
        parameters: IntegerParameters,
        folding: Mapping[str, Folding],
        *,
        layers: Sequence[str],
        readers: Sequence[str],
        tokens_in_flight: int,
        core: MatrixVectorFactory,
        words: Mapping[str, list[int]],
    ):
        self.design = design = parameters.design
        shape = shape_of(design.quant.stream)
        self.layers = {name: Linear(f"block{block}_{name}", parameters, folding, core=core, words=words) for name in layers}
        self.fork = Fork(shape, (*(f"to_{name}" for name in readers), "to_residual"))
        self.buffer = WindowBuffer(shape, tokens_in_flight * design.model.embed_dim)
        self.residual = Residual(design.quant.stream)
        super().__init__({"bus": In(LoadBus()), "i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def around_the_branch(self) -> Module:
        """A module in which all is connected but the branch itself."""
        m = Module()
        for name, layer in self.layers.items():
            m.submodules[name] = layer
            wiring.connect(m, wiring.flipped(self.bus), layer.bus)
        m.submodules.fork, m.submodules.buffer, m.submodules.residual = self.fork, self.buffer, self.residual
        wiring.connect(m, wiring.flipped(self.i), self.fork.i)
        wiring.connect(m, self.fork.to_residual, self.buffer.i)
        wiring.connect(m, self.buffer.o, self.residual.stream)
        wiring.connect(m, self.residual.o, wiring.flipped(self.o))
        return m
