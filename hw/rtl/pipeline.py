"""A stage for every layer, all at work at the same time: the decoder behind the tokenizer as a stream (docs/blocks/ind.md)."""

from collections.abc import Mapping

from amaranth.hdl import Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import linear_layer
from hw.plan.folding import Folding
from hw.rtl.attention_block import AttentionBlock
from hw.rtl.chain import connect_chain
from hw.rtl.feed_forward import FeedForward
from hw.rtl.linear import NO_WORDS, Linear, MatrixVectorFactory
from hw.rtl.load_port import LoadBus
from hw.rtl.matrix_vector import MatrixVector
from hw.rtl.mean_pool import MeanPool
from hw.rtl.payloads import shape_of
from hw.rtl.token_memory import TokenMemory
from quant.golden.parameters import IntegerParameters


class Pipeline(wiring.Component):
    """Features of a token in, readout of the window that ends with it out.

    Ports and golden twin as hw.rtl.engine.Engine; `core` makes a dense layer's matrix-vector unit from (layer, folding).
    Throughput: that of the slowest stage, hw.plan.cycles.
    """

    def __init__(
        self,
        parameters: IntegerParameters,
        folding: Mapping[str, Folding],
        *,
        core: MatrixVectorFactory = MatrixVector,
        words: Mapping[str, list[int]] = NO_WORDS,
    ):
        design = parameters.design
        layers = range(design.model.layers)
        self.embed = Linear("embed", parameters, folding, core=core, words=words)
        self.token_memory = TokenMemory(parameters, folding, words=words.get("position", ()))
        self.attentions = [AttentionBlock(i, parameters, folding, core=core, words=words) for i in layers]
        self.feed_forwards = [FeedForward(i, parameters, folding, core=core, words=words) for i in layers]
        self.mean_pool = MeanPool(design, shift=parameters.mean_shift) if design.model.pool == "mean" else None
        self.readout = Linear("readout", parameters, folding, core=core, words=words)
        super().__init__(
            {
                "bus": In(LoadBus()),
                "i": In(stream.Signature(shape_of(design.tokenizer.token))),
                "o": Out(stream.Signature(shape_of(linear_layer(design, "readout").acc))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        blocks: dict[str, wiring.Component] = {"embed": self.embed, "token_memory": self.token_memory}
        for i, (attention, feed_forward) in enumerate(zip(self.attentions, self.feed_forwards, strict=True)):
            blocks |= {f"block{i}_attention": attention, f"block{i}_feed_forward": feed_forward}
        if self.mean_pool is not None:
            blocks["mean_pool"] = self.mean_pool
        blocks["readout"] = self.readout
        connect_chain(m, self, blocks)
        return m

    def transfers(self) -> dict[str, tuple[Value, Value]]:
        """Stream of designs.layer_table -> (payload, 1 while it is transferred)."""
        found = {"embed": self.embed.o, "window": self.token_memory.o}
        for i, (attention, feed_forward) in enumerate(zip(self.attentions, self.feed_forwards, strict=True)):
            inner = {name: getattr(attention, name) for name in ("query", "key", "value", "attention", "project")}
            inner |= {"attended": attention, "expand": feed_forward.expand, "contract": feed_forward.contract}
            found |= {f"block{i}_{name}": block.o for name, block in (inner | {"out": feed_forward}).items()}
        if self.mean_pool is not None:
            found["pool"] = self.mean_pool.o
        return {name: (Value.cast(port.payload), port.valid & port.ready) for name, port in found.items()}
