"""Feed-forward half of a block: expand, ReLU, contract, added to the residual stream (docs/blocks/feed_forward.md)."""

from collections.abc import Mapping

from amaranth.hdl import Module
from amaranth.lib import wiring

from hw.plan.folding import Folding
from hw.rtl.linear import NO_WORDS, MatrixVectorFactory
from hw.rtl.matrix_vector import MatrixVector
from hw.rtl.residual_branch import ResidualBranch
from quant.golden.parameters import IntegerParameters

TOKENS_IN_FLIGHT = 4
"""Tokens kept for the add: one each in contract and expand, and the next one of each, so that both work all the time."""


class FeedForward(ResidualBranch):
    """``o = saturate(i + contract(relu(expand(i))))``; ports as hw.rtl.residual_branch.

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
        super().__init__(
            block,
            parameters,
            folding,
            layers=("expand", "contract"),
            readers=("expand",),
            tokens_in_flight=TOKENS_IN_FLIGHT,
            core=core,
            words=words,
        )
        self.expand, self.contract = self.layers.values()

    def elaborate(self, platform: object) -> Module:
        m = self.around_the_branch()
        wiring.connect(m, self.fork.to_expand, self.expand.i)
        wiring.connect(m, self.expand.o, self.contract.i)
        wiring.connect(m, self.contract.o, self.residual.update)
        return m
