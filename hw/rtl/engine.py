"""One array of multipliers for every layer, sequenced by the program of hw.plan.engine (docs/blocks/engine.md)."""

from collections.abc import Mapping
from typing import TypeAlias

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import linear_layer, linear_layers
from hw.plan.engine import bias_cut, bias_format, engine_rows, position_cut, program
from hw.plan.memory import TWOFOLD, readout_words, regions
from hw.plan.passes import LANE, Kind
from hw.plan.taps import taps
from hw.rtl.bank_in_use import BankInUse
from hw.rtl.datapath import Datapath
from hw.rtl.linear import NO_WORDS
from hw.rtl.load_port import LoadBus
from hw.rtl.parameter_memory import ParameterMemory
from hw.rtl.pass_table import PassTable
from hw.rtl.payloads import shape_of, vector_of
from hw.rtl.sequencer import Sequencer
from hw.rtl.single_port_memory import SinglePortMemory
from hw.rtl.stream_datapath import StreamDatapath
from hw.rtl.stream_sequencer import StreamSequencer
from quant.golden.parameters import IntegerParameters

PARAMETERS = ("weights", "biases", "positions")
"""Streams of words of one memory."""
Control: TypeAlias = Sequencer | StreamSequencer
Data: TypeAlias = Datapath | StreamDatapath
PORTS = ("tokens", "readout", "decision")
"""Boundaries that are the engine's own ports, or lie behind it."""


class Engine(wiring.Component):
    """Features of a token in, readout of the window that ends with it out, or of the states that run on with it.

    i: stream of tokens, [features].  o: stream of the readout's sums, [outputs], once per token from the first full window on.
    bus: the load bus; `words` are the regions' words (hw.plan.memory.load_words) where memories can be preset. settled: the
    readout that was loaded last is in use, which it is from the next decision on.
    Every weight is read once per decision and multiplied with all tokens of the window. Throughput: hw.plan.cycles.
    Golden twin: quant.golden.trace.
    """

    def __init__(self, parameters: IntegerParameters, *, words: Mapping[str, list[int]] = NO_WORDS):
        self.design = design = parameters.design
        self.program = program(parameters)
        self._rows, self._tokens = engine_rows(design), design.model.tokens
        self._streaming = design.model.streaming
        self.parameters = self._parameter_memory(words)
        self._seen = {tap.name: (Signal(tap.payload_bits), Signal()) for tap in taps(design) if tap.name not in PORTS}
        super().__init__(
            {
                "bus": In(LoadBus()),
                "settled": Out(len(TWOFOLD)),
                "i": In(stream.Signature(shape_of(design.tokenizer.token))),
                "o": Out(stream.Signature(shape_of(linear_layer(design, "readout").acc))),
            }
        )

    def transfers(self) -> dict[str, tuple[Value, Value]]:
        """Stream of designs.layer_table -> (its payload as hw.plan.taps says, 1 while it is written), for simulation."""
        return dict(self._seen)

    def _parameter_memory(self, words: Mapping[str, list[int]]) -> ParameterMemory:
        design = self.design
        found = {one.name: one for one in regions(design, {})}
        layers = [layer.name for layer in linear_layers(design) if layer.name != "readout"]
        weights, biases = ([found[f"{layer}_{kind}"] for layer in layers] for kind in ("weight", "bias"))
        positions = [] if self._streaming else [found["position"]]
        bias = data.ArrayLayout(shape_of(bias_format(design)), self._rows)
        return ParameterMemory(
            weights=(weights[0].width, weights),
            biases=(bias, bias_cut(design).pieces, biases),
            positions=(vector_of(design.quant.stream, self._tokens), position_cut(design).pieces, positions)
            if positions
            else None,
            readout=found["readout"],
            readout_weights=readout_words(design),
            init=[word for one in (*weights, *biases, *positions, found["readout"]) for word in words.get(one.name, ())],
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.table = table = PassTable(self.program)
        control: Control = (StreamSequencer if self._streaming else Sequencer)(self.design, self.program)
        datapath: Data = (StreamDatapath if self._streaming else Datapath)(self.design, self.program)
        m.submodules.sequencer, m.submodules.datapath = control, datapath
        for block in (control, datapath):
            wiring.connect(m, table.now, block.now)
        wiring.connect(m, control.steer, datapath.steer)
        m.d.comb += [table.index.eq(control.index), table.fetch.eq(control.fetch)]
        self._place_parameters(m, control, datapath)
        self._place_memories(m, control, datapath)
        m.d.comb += [
            datapath.feature.eq(self.i.payload),
            control.feature_valid.eq(self.i.valid),
            self.i.ready.eq(control.feature_ready),
            self.o.payload.eq(datapath.readout),
            self.o.valid.eq(control.o_valid),
            control.o_ready.eq(self.o.ready),
        ]
        self._show(m, control, datapath)
        return m

    def _place_parameters(self, m: Module, control: Control, datapath: Data) -> None:
        """The streams of parameters: words of weights, biases of all rows, positions of all tokens."""
        m.submodules.parameters = parameters = self.parameters
        wiring.connect(m, wiring.flipped(self.bus), parameters.bus)
        m.submodules.bank = bank = BankInUse(parameters.readout)
        wiring.connect(m, wiring.flipped(self.bus), bank.bus)
        m.d.comb += [
            bank.between.eq(control.index == 0),  # the readout is the last pass, and read ahead in the one before at most
            self.settled.eq(bank.settled),
            parameters.bank.eq(bank.bank),
            parameters.only_weights.eq(control.only_weights),
        ]
        for name in PARAMETERS[:2] if self._streaming else PARAMETERS:
            stream_of = getattr(parameters, name)
            m.d.comb += [
                Value.cast(getattr(datapath, name)).eq(Value.cast(stream_of.payload)),
                getattr(control, f"{name}_valid").eq(stream_of.valid),
                stream_of.ready.eq(getattr(control, f"{name}_ready")),
            ]

    def _place_memories(self, m: Module, control: Control, datapath: Data) -> None:
        """The memory of rows; that of columns lies in the datapath."""
        m.submodules.rows = rows = SinglePortMemory(depth=control.rows_depth, width=self._rows * LANE.bits)
        rows.follow(m, control.rows)
        m.d.comb += [
            rows.write_data.eq(Value.cast(datapath.to_rows)),
            Value.cast(datapath.row_read).eq(rows.read_data),
        ]
        wiring.connect(m, control.columns, datapath.access)
        if isinstance(control, StreamSequencer):
            wiring.connect(m, control.values, datapath.value_access)

    def _show(self, m: Module, control: Control, datapath: Data) -> None:
        """Drive what `transfers` gives."""
        steer, deciding, found = control.steer, control.deciding, {}
        if isinstance(datapath, Datapath):
            found = {"embed": (datapath.embed, steer.is_embed), "window": (datapath.added, steer.is_window & deciding)}
        for number, one in enumerate(self.program):
            valid = control.last & deciding & (control.index == number)
            if one.name == "embed":
                valid = control.last & (control.index == number)  # of every token
            if one.kind is Kind.POOL:
                found["pool"] = (datapath.rounded[0], valid)
            elif one.kind in (Kind.LINEAR, Kind.ATTEND, Kind.LEAK):
                found[one.name] = (datapath.to_rows if one.by_token else datapath.rounded, valid)
            if one.residual:
                found[one.name.replace("project", "attended").replace("contract", "out")] = (datapath.added, valid)
        for name, (payload, valid) in self._seen.items():
            m.d.comb += [payload.eq(found[name][0]), valid.eq(found[name][1])]
