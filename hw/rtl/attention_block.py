"""Attention half of a block: query, key, value, attention, projection, added to the residual stream."""

from collections.abc import Mapping

from amaranth.hdl import Module
from amaranth.lib import wiring

from hw.plan.folding import Folding
from hw.rtl.linear import NO_WORDS, MatrixVectorFactory
from hw.rtl.linear_attention import LinearAttention
from hw.rtl.matrix_vector import MatrixVector
from hw.rtl.residual_branch import ResidualBranch
from quant.golden.parameters import IntegerParameters

READERS = ("query", "key", "value")
TOKENS_AHEAD = 2
"""Tokens of the next window that may follow a window under way, so that its keys are ready when their turn comes."""


class AttentionBlock(ResidualBranch):
    """``o = saturate(i + project(attention(query(i), key(i), value(i))))``; ports as hw.rtl.residual_branch.

    The whole window waits in `buffer` until its projections come. Golden twins: quant.golden.linear, linear_attention and
    residual.
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
        super().__init__(
            block,
            parameters,
            folding,
            layers=(*READERS, "project"),
            readers=READERS,
            tokens_in_flight=parameters.design.model.tokens + TOKENS_AHEAD,
            core=core,
            words=words,
        )
        self.query, self.key, self.value, self.project = self.layers.values()
        self.attention = LinearAttention(self.design, folding[f"block{block}_attention"], parameters.attention[block])

    def elaborate(self, platform: object) -> Module:
        m = self.around_the_branch()
        m.submodules.attention = self.attention
        for name in READERS:
            wiring.connect(m, getattr(self.fork, f"to_{name}"), self.layers[name].i)
            wiring.connect(m, self.layers[name].o, getattr(self.attention, name))
        wiring.connect(m, self.attention.o, self.project.i)
        wiring.connect(m, self.project.o, self.residual.update)
        return m
