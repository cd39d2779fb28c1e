"""The implantable neural decoder: samples in, decisions out (docs/blocks/ind.md)."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import streams
from designs.schema import Design, DesignError
from hw.plan.folding import Folding, check_folding, fold
from hw.plan.memory import find_region, load_words, regions
from hw.rtl.argmax import Argmax
from hw.rtl.attention_block import AttentionBlock
from hw.rtl.feed_forward import FeedForward
from hw.rtl.linear import Linear, MatrixVectorFactory
from hw.rtl.load_port import LoadPort
from hw.rtl.matrix_vector import MatrixVector
from hw.rtl.mean_pool import MeanPool
from hw.rtl.token_memory import TokenMemory
from hw.rtl.tokenizer import Tokenizer
from quant.golden.parameters import IntegerParameters

READOUT_BITS = 32


class Ind(wiring.Component):
    """The whole decoder of `design`; ports in docs/streams.md. Golden twin: quant.golden.trace.trace_samples.

    parameters: shifts are built in; weights, biases, positions and token shifts are in the memories from power-up with
    `preloaded`, and come through the load port without. matrix_vector: makes a dense layer's core from (layer, folding).
    loadable: without it there is no load port and the weights stay what `preloaded` made them: smaller, for prototypes.
    taps: show every stream of designs.layer_table as wires `tap_<stream>_payload`, `_valid` and `_ready`, for simulation.
    """

    def __init__(
        self,
        design: Design,
        parameters: IntegerParameters,
        *,
        folding: Mapping[str, Folding] | None = None,
        matrix_vector: MatrixVectorFactory = MatrixVector,
        preloaded: bool = True,
        loadable: bool = True,
        taps: bool = True,
    ):
        if parameters.design != design:
            raise DesignError(f"{design.name}: the parameters are of {parameters.design.name}; use the ones of this design")
        if not (preloaded or loadable):
            raise DesignError(
                f"{design.name}: weights that are neither preloaded nor loadable never come; allow one of the two"
            )
        self.design, self._taps = design, taps
        self.folding = folding = dict(folding) if folding is not None else fold(design)
        check_folding(design, folding)
        words = load_words(parameters, folding) if preloaded else {}
        self.load_port = LoadPort(regions(design, folding), preloaded=preloaded) if loadable else None
        self.tokenizer = Tokenizer(
            design.tokenizer, find_region(design, folding, "token_shift"), init=words.get("token_shift", ())
        )
        self.embed = Linear("embed", parameters, folding, core=matrix_vector, words=words)
        self.token_memory = TokenMemory(parameters, folding, words=words.get("position", ()))
        self.attentions = [
            AttentionBlock(i, parameters, folding, core=matrix_vector, words=words) for i in range(design.model.layers)
        ]
        self.feed_forwards = [
            FeedForward(i, parameters, folding, core=matrix_vector, words=words) for i in range(design.model.layers)
        ]
        self.mean_pool = MeanPool(design, shift=parameters.mean_shift)
        self.readout = Linear("readout", parameters, folding, core=matrix_vector, words=words)
        self.argmax = Argmax(design)
        super().__init__(
            {
                "s_axis_tdata": In(16),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "m_axis_tdata": Out(READOUT_BITS),
                "m_axis_tuser": Out(streams(design)[-1].format.bits),
                "m_axis_tlast": Out(1),
                "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1),
                "load_tdata": In(8),
                "load_tvalid": In(1),
                "load_tready": Out(1),
                "armed": In(1),
                "loaded": Out(1),
                "load_error": Out(1),
                "load_refused": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.tokenizer, m.submodules.embed = self.tokenizer, self.embed
        m.submodules.token_memory = self.token_memory
        chain: list[Any] = [self.tokenizer, self.embed, self.token_memory]
        for i, (attention, feed_forward) in enumerate(zip(self.attentions, self.feed_forwards, strict=True)):
            m.submodules[f"block{i}_attention"], m.submodules[f"block{i}_feed_forward"] = attention, feed_forward
            chain += [attention, feed_forward]
        m.submodules.mean_pool, m.submodules.readout, m.submodules.argmax = self.mean_pool, self.readout, self.argmax
        chain += [self.mean_pool, self.readout, self.argmax]
        for source, sink in pairwise(chain):
            wiring.connect(m, source.o, sink.i)
        self._connect_ports(m)
        if self.load_port is not None:
            self._connect_load_port(m, self.load_port, chain)
        else:
            m.d.comb += self.loaded.eq(1)
        if self._taps:
            self._show_taps(m)
        return m

    def _connect_ports(self, m: Module) -> None:
        samples, decisions = self.tokenizer.i, self.argmax.o
        m.d.comb += [
            samples.payload.eq(self.s_axis_tdata[: self.design.tokenizer.sample.bits].as_signed()),
            samples.valid.eq(self.s_axis_tvalid & self.loaded),
            self.s_axis_tready.eq(samples.ready & self.loaded),
            self.m_axis_tdata.eq(decisions.payload.value),
            self.m_axis_tuser.eq(decisions.payload.decision),
            self.m_axis_tlast.eq(decisions.payload.last),
            self.m_axis_tvalid.eq(decisions.valid),
            decisions.ready.eq(self.m_axis_tready),
        ]

    def _connect_load_port(self, m: Module, load: LoadPort, chain: list[wiring.Component]) -> None:
        m.submodules.load_port = load
        for block in chain:
            if hasattr(block, "bus"):
                wiring.connect(m, load.bus, block.bus)
        m.d.comb += [
            load.i.payload.eq(self.load_tdata),
            load.i.valid.eq(self.load_tvalid),
            self.load_tready.eq(load.i.ready),
            load.armed.eq(self.armed),
            self.loaded.eq(load.loaded),
            self.load_error.eq(load.error),
            self.load_refused.eq(load.refused),
        ]

    def tap_streams(self) -> dict[str, wiring.PureInterface]:
        """Stream name of designs.layer_table -> the stream in the decoder; `decision` is part of the last one."""
        found = {"tokens": self.tokenizer.o, "embed": self.embed.o, "window": self.token_memory.o}
        for i, (attention, feed_forward) in enumerate(zip(self.attentions, self.feed_forwards, strict=True)):
            inner = {name: getattr(attention, name) for name in ("query", "key", "value", "attention", "project")}
            inner |= {"attended": attention, "expand": feed_forward.expand, "contract": feed_forward.contract}
            found |= {f"block{i}_{name}": block.o for name, block in (inner | {"out": feed_forward}).items()}
        return found | {"pool": self.mean_pool.o, "readout": self.readout.o}

    def _show_taps(self, m: Module) -> None:
        found = self.tap_streams()
        decided = self.argmax.o
        for stream in streams(self.design):
            payload, valid, ready = (
                Signal(bits, name=f"tap_{stream.name}_{part}", attrs={"keep": 1})
                for part, bits in (("payload", stream.format.bits), ("valid", 1), ("ready", 1))
            )
            if stream.name == "decision":
                source = (decided.payload.decision, decided.valid & decided.payload.last, decided.ready)
            else:
                source = (found[stream.name].payload, found[stream.name].valid, found[stream.name].ready)
            m.d.comb += [payload.eq(source[0]), valid.eq(source[1]), ready.eq(source[2])]
