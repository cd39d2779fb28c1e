"""Feed-forward half of a block: expand, ReLU, contract, added to the residual stream (docs/blocks/feed_forward.md)."""

from collections.abc import Mapping

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.plan.folding import Folding
from hw.rtl.fork import Fork
from hw.rtl.linear import NO_WORDS, Linear, MatrixVectorFactory
from hw.rtl.load_port import LoadBus
from hw.rtl.matrix_vector import MatrixVector
from hw.rtl.payloads import shape_of
from hw.rtl.residual import Residual
from hw.rtl.window_buffer import WindowBuffer
from quant.golden.parameters import IntegerParameters

TOKENS_IN_FLIGHT = 4
"""Tokens kept for the add: one each in contract and expand, and the next one of each, so that both work all the time."""


class FeedForward(wiring.Component):
    """``o = saturate(i + contract(relu(expand(i))))``.

    i, o: streams of the residual stream's format, [tokens, embed_dim].  bus: the load bus.
    Throughput: the slower of expand and contract. Golden twin: quant.golden.linear and quant.golden.residual.
    """

    def __init__(
        self,
        block: int,
        parameters: IntegerParameters,
        folding: Mapping[str, Folding],
        *,
        core: MatrixVectorFactory = MatrixVector,
        words: Mapping[str, list[int]] = NO_WORDS,
    ):
        self.design = design = parameters.design
        shape = shape_of(design.quant.stream)
        self.expand = Linear(f"block{block}_expand", parameters, folding, core=core, words=words)
        self.contract = Linear(f"block{block}_contract", parameters, folding, core=core, words=words)
        self.fork = Fork(shape, ("to_expand", "to_residual"))
        self.buffer = WindowBuffer(shape, TOKENS_IN_FLIGHT * design.model.embed_dim)
        self.residual = Residual(design.quant.stream)
        super().__init__({"bus": In(LoadBus()), "i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.expand, m.submodules.contract, m.submodules.fork = self.expand, self.contract, self.fork
        m.submodules.buffer, m.submodules.residual = self.buffer, self.residual
        for layer in (self.expand, self.contract):
            wiring.connect(m, wiring.flipped(self.bus), layer.bus)
        wiring.connect(m, wiring.flipped(self.i), self.fork.i)
        wiring.connect(m, self.fork.to_expand, self.expand.i)
        wiring.connect(m, self.fork.to_residual, self.buffer.i)
        wiring.connect(m, self.expand.o, self.contract.i)
        wiring.connect(m, self.contract.o, self.residual.update)
        wiring.connect(m, self.buffer.o, self.residual.stream)
        wiring.connect(m, self.residual.o, wiring.flipped(self.o))
        return m
