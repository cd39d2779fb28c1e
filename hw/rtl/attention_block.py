"""Attention half of a block: query, key, value, attention, projection, added to the residual stream."""

from collections.abc import Mapping

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.plan.folding import Folding
from hw.rtl.fork import Fork
from hw.rtl.linear import NO_WORDS, Linear, MatrixVectorFactory
from hw.rtl.linear_attention import LinearAttention
from hw.rtl.load_port import LoadBus
from hw.rtl.matrix_vector import MatrixVector
from hw.rtl.payloads import shape_of
from hw.rtl.residual import Residual
from hw.rtl.window_buffer import WindowBuffer
from quant.golden.parameters import IntegerParameters

TOKENS_AHEAD = 2
"""Tokens of the next window that may follow a window under way, so that its keys are ready when their turn comes."""


class AttentionBlock(wiring.Component):
    """``o = saturate(i + project(attention(query(i), key(i), value(i))))``.

    i, o: streams of the residual stream's format, [tokens, embed_dim].  bus: the load bus. The whole window waits in
    `buffer` until its projections come. Golden twins: quant.golden.linear, linear_attention and residual.
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
        shape, model = shape_of(design.quant.stream), design.model
        self.query, self.key, self.value, self.project = (
            Linear(f"block{block}_{name}", parameters, folding, core=core, words=words)
            for name in ("query", "key", "value", "project")
        )
        self.attention = LinearAttention(design, folding[f"block{block}_attention"], parameters.attention[block])
        self.fork = Fork(shape, ("to_query", "to_key", "to_value", "to_residual"))
        self.buffer = WindowBuffer(shape, (model.tokens + TOKENS_AHEAD) * model.embed_dim)
        self.residual = Residual(design.quant.stream)
        super().__init__({"bus": In(LoadBus()), "i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fork, m.submodules.attention, m.submodules.buffer = self.fork, self.attention, self.buffer
        m.submodules.residual = self.residual
        for name in ("query", "key", "value", "project"):
            layer = getattr(self, name)
            m.submodules[name] = layer
            wiring.connect(m, wiring.flipped(self.bus), layer.bus)
        for name in ("query", "key", "value"):
            wiring.connect(m, getattr(self.fork, f"to_{name}"), getattr(self, name).i)
            wiring.connect(m, getattr(self, name).o, getattr(self.attention, name))
        wiring.connect(m, wiring.flipped(self.i), self.fork.i)
        wiring.connect(m, self.fork.to_residual, self.buffer.i)
        wiring.connect(m, self.attention.o, self.project.i)
        wiring.connect(m, self.project.o, self.residual.update)
        wiring.connect(m, self.buffer.o, self.residual.stream)
        wiring.connect(m, self.residual.o, wiring.flipped(self.o))
        return m
