"""The implantable neural decoder: samples in, decisions out (docs/blocks/ind.md)."""

from collections.abc import Mapping
from functools import reduce
from operator import and_

from amaranth.hdl import Module, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import decision_format
from designs.schema import Design, DesignError
from hw.plan.folding import Folding, check_folding, fold
from hw.plan.memory import TWOFOLD, load_words, regions
from hw.plan.taps import taps as planned_taps
from hw.rtl.argmax import Argmax
from hw.rtl.engine import Engine
from hw.rtl.linear import MatrixVectorFactory
from hw.rtl.load_port import LoadPort
from hw.rtl.matrix_vector import MatrixVector
from hw.rtl.pipeline import Pipeline
from hw.rtl.tokenizer import Tokenizer
from hw.rtl.value_frame import ValueFrame
from quant.golden.parameters import IntegerParameters

READOUT_BITS = 32


class Ind(wiring.Component):
    """The whole decoder of `design`; ports in docs/streams.md. Golden twin: quant.golden.trace.trace_samples.

    After a load it begins as from reset, so no decision mixes old parameters with new ones. Regions with two banks
    (hw.plan.memory.TWOFOLD) are changed while it decodes: token shifts between two tokens, the engine's readout between two
    decisions.
    Behind the tokenizer lies what `hardware.backend` says: the engine, or a pipeline of dense layers.

    parameters: shifts are built in; weights, biases, positions and token shifts are in the memories from power-up with
    `preloaded`, and come through the load port without. matrix_vector: makes a dense layer's core from (layer, folding).
    loadable: without it there is no load port and the weights stay what `preloaded` made them: smaller, for prototypes.
    folding and matrix_vector concern the pipeline alone.
    taps: show every boundary of hw.plan.taps as wires `tap_<stream>_payload` and `_valid`, for simulation: the cycle after.
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
        _require_hardware(design)
        if not (preloaded or loadable):
            raise DesignError(
                f"{design.name}: weights that are neither preloaded nor loadable never come; allow one of the two"
            )
        self.design, self._taps = design, taps
        self.folding = folding = dict(folding) if folding is not None else fold(design)
        words = load_words(parameters, folding) if preloaded else {}
        self.load_port = LoadPort(regions(design, folding), preloaded=preloaded) if loadable else None
        self.tokenizer = self._tokenizer(parameters, words)
        self.core: Engine | Pipeline
        if design.hardware.backend == "engine":
            self.core = Engine(parameters, words=words)
        else:
            check_folding(design, folding)
            self.core = Pipeline(parameters, folding, core=matrix_vector, words=words)
        self.output = ValueFrame(design) if design.model.regression else Argmax(design)
        super().__init__(
            {
                "s_axis_tdata": In(16),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "m_axis_tdata": Out(READOUT_BITS),
                "m_axis_tuser": Out(decision_format(design).bits),
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
        # words that were read ahead before a load are gone after it: whatever decodes begins anew
        from_reset = ResetInserter(~self.loaded)
        if self.tokenizer is not None:
            m.submodules.tokenizer = from_reset(self.tokenizer)
            wiring.connect(m, self.tokenizer.o, self.core.i)
        m.submodules["argmax" if isinstance(self.output, Argmax) else "value_frame"] = from_reset(self.output)
        m.submodules["engine" if isinstance(self.core, Engine) else "pipeline"] = from_reset(self.core)
        wiring.connect(m, self.core.o, self.output.i)
        self._connect_ports(m)
        if self.load_port is not None:
            self._connect_load_port(m, self.load_port)
        else:
            m.d.comb += self.loaded.eq(1)
        if self._taps:
            self._show_taps(m)
        return m

    def _tokenizer(self, parameters: IntegerParameters, words: Mapping[str, list[int]]) -> Tokenizer | None:
        """None where samples are tokens already: they go straight to what stands behind it."""
        if self.design.tokenizer.ready:
            return None
        found = {region.name: region for region in regions(self.design, self.folding)}
        return Tokenizer(self.design.tokenizer, found, words=words, spatial_shift=parameters.spatial_shift)

    def _connect_ports(self, m: Module) -> None:
        samples, decisions = (self.tokenizer or self.core).i, self.output.o
        m.d.comb += [
            samples.payload.eq(Value.cast(self.s_axis_tdata[: self.design.tokenizer.input.bits])),
            samples.valid.eq(self.s_axis_tvalid & self.loaded),
            self.s_axis_tready.eq(samples.ready & self.loaded),
            self.m_axis_tdata.eq(decisions.payload.value),
            self.m_axis_tuser.eq(decisions.payload.decision),
            self.m_axis_tlast.eq(decisions.payload.last),
            self.m_axis_tvalid.eq(decisions.valid),
            decisions.ready.eq(self.m_axis_tready),
        ]

    def _connect_load_port(self, m: Module, load: LoadPort) -> None:
        m.submodules.load_port = load
        blocks = [self.core] if self.tokenizer is None else [self.core, self.tokenizer]
        for block in blocks:
            wiring.connect(m, load.bus, block.bus)
        settled = [block.settled for block in blocks if isinstance(block, Engine | Tokenizer)]
        m.d.comb += [
            load.settled.eq(reduce(and_, settled, (1 << len(TWOFOLD)) - 1)),
            load.i.payload.eq(self.load_tdata),
            load.i.valid.eq(self.load_tvalid),
            self.load_tready.eq(load.i.ready),
            load.armed.eq(self.armed),
            self.loaded.eq(load.loaded),
            self.load_error.eq(load.error),
            self.load_refused.eq(load.refused),
        ]

    def _show_taps(self, m: Module) -> None:
        features, sums, decided = self.core.i, self.core.o, self.output.o
        found = self.core.transfers() | {
            "tokens": (features.payload, features.valid & features.ready),
            "readout": (sums.payload, sums.valid & sums.ready),
            "decision": (decided.payload.decision, decided.valid & decided.payload.last & decided.ready),
        }
        for tap in planned_taps(self.design):
            payload = Signal(tap.payload_bits, name=f"tap_{tap.name}_payload", attrs={"keep": 1}, reset_less=True)
            valid = Signal(name=f"tap_{tap.name}_valid", attrs={"keep": 1})
            m.d.sync += valid.eq(found[tap.name][1])
            with m.If(found[tap.name][1]):
                m.d.sync += payload.eq(found[tap.name][0])


def _require_hardware(design: Design) -> None:
    """DesignError where the design has a part that exists in the golden model alone."""
    if design.model.normaliser != "none":
        raise DesignError(
            f"{design.name}: model.normaliser={design.model.normaliser!r} has no hardware; use 'none', or stop at the integers"
        )
