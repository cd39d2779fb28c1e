"""One array of multipliers for every layer, sequenced by the program of hw.plan.engine (docs/blocks/engine.md)."""

from collections.abc import Mapping
from functools import reduce
from operator import add

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import linear_layer, linear_layers
from hw.plan.engine import (
    LANE,
    Kind,
    bias_format,
    embed_groups,
    engine_rows,
    memory_map,
    operand_bits,
    position_pack,
    program,
    state_halves,
    sum_bits,
)
from hw.plan.memory import find_region
from hw.plan.taps import taps
from hw.rtl.gather import Gather
from hw.rtl.linear import NO_WORDS
from hw.rtl.load_port import LoadBus
from hw.rtl.mac_array import MacArray, pick
from hw.rtl.pass_table import PassTable
from hw.rtl.payloads import shape_of, vector_of
from hw.rtl.single_port_memory import SinglePortMemory
from hw.rtl.weight_memory import WeightMemory
from hw.rtl.write_back import WriteBack
from quant.golden.parameters import IntegerParameters

PORTS = ("tokens", "readout", "decision")
"""Boundaries that are the engine's own ports, or lie behind it."""


class Engine(wiring.Component):
    """Features of a token in, readout of the window that ends with it out.

    i: stream of tokens, [features].  o: stream of the readout's sums, [outputs], once per token from the first full window on.
    bus: the load bus; `words` are the regions' words (hw.plan.memory.load_words) where memories can be preset.
    Every weight is read once per decision and multiplied with all tokens of the window. Throughput: hw.plan.cycles.
    Golden twin: quant.golden.trace.
    """

    def __init__(self, parameters: IntegerParameters, *, words: Mapping[str, list[int]] = NO_WORDS):
        self.design = design = parameters.design
        self.program = program(parameters)
        self._rows, self._tokens = engine_rows(design), design.model.tokens
        names = [layer.name for layer in linear_layers(design)]
        weight = linear_layers(design)[0].weight
        self._kinds, row = embed_groups(design), vector_of(weight, self._rows)
        self.embed_weights = self._parameter_memory(["embed_weight"], data.ArrayLayout(row, self._kinds), words)
        self.weights = self._parameter_memory([f"{name}_weight" for name in names[1:]], row, words)
        self.biases = self._parameter_memory([f"{name}_bias" for name in names], shape_of(bias_format(design)), words)
        self._seen = {tap.name: (Signal(tap.payload_bits), Signal()) for tap in taps(design) if tap.name not in PORTS}
        self._packed = vector_of(design.quant.stream, position_pack(design))
        self.positions = self._parameter_memory(["position"], self._packed, words)
        super().__init__(
            {
                "bus": In(LoadBus()),
                "i": In(stream.Signature(shape_of(design.tokenizer.token))),
                "o": Out(stream.Signature(shape_of(linear_layer(design, "readout").acc))),
            }
        )

    def transfers(self) -> dict[str, tuple[Value, Value]]:
        """Stream of designs.layer_table -> (its payload as hw.plan.taps says, 1 while it is written), for simulation."""
        return dict(self._seen)

    def _parameter_memory(self, names: list[str], payload: object, words: Mapping[str, list[int]]) -> WeightMemory:
        regions = [find_region(self.design, {}, name) for name in names]
        return WeightMemory(*regions, payload=payload, init=[word for name in names for word in words.get(name, ())])

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._place_parameters(m)
        self._place_memories(m)
        m.submodules.table = self._pass = PassTable(self.program)
        self._sequence(m)
        self._multiply(m)
        self._write(m)
        return m

    def _place_parameters(self, m: Module) -> None:
        """The streams of parameters: weights of all rows, biases of all rows, positions of all tokens."""
        memories = {name: getattr(self, name) for name in ("embed_weights", "weights", "biases", "positions")}
        for name, memory in memories.items():
            m.submodules[name] = memory
            wiring.connect(m, wiring.flipped(self.bus), memory.bus)
        bias = shape_of(bias_format(self.design))
        m.submodules.row_biases = self._row_biases = Gather(bias, data.ArrayLayout(bias, self._rows), self._rows)
        wiring.connect(m, self.biases.o, self._row_biases.i)
        words = self._tokens // position_pack(self.design)
        m.submodules.column = self._column = Gather(self._packed, data.ArrayLayout(self._packed, words), words)
        wiring.connect(m, self.positions.o, self._column.i)

    def _place_memories(self, m: Module) -> None:
        at = memory_map(self.design)
        m.submodules.columns = self._columns = SinglePortMemory(depth=at.depth, width=self._tokens * LANE.bits)
        m.submodules.rows = self._row_memory = SinglePortMemory(depth=at.second_depth, width=self._rows * LANE.bits)

    def _sequence(self, m: Module) -> None:
        """Which pass, group, block, step and place it is, and where operands and results lie."""
        now, program = self._pass, self.program
        most = {name: max(getattr(one, name) for one in program) for name in ("steps", "groups", "blocks", "places")}
        self._index = index = Signal(range(len(program)))
        self._group, block = Signal(range(most["groups"])), Signal(range(most["blocks"]))
        self._step, self._place = Signal(range(most["steps"])), Signal(range(most["places"]))
        self._part, held = Signal(range(3)), Signal(range(self._tokens))
        self._own, self._dest = Signal.like(self._columns.address), Signal(max(len(self._columns.address), 8))
        self._shared, shared_start = Signal.like(self._row_memory.address), Signal.like(self._row_memory.address)
        self._issue, self._embed_step, self._moved, self._settled = Signal(), Signal(), Signal(), Signal()
        self._writes, self._part_done = Signal(), Signal()
        self._deciding, self._feature_done, self._stride = Signal(), Signal(), Signal(range(self._kinds + 1))
        group, step, place, part = self._group, self._step, self._place, self._part
        last_group, last_step, last_block = group == now.last_group, step == now.last_step, block == now.last_block
        last_part = part == Mux(now.embeds, 2, now.residual | now.pools)
        last_place = self._part_done & last_part & (place == now.last_place)
        m.d.comb += [
            now.index.eq(index),
            self._deciding.eq(held == self._tokens - 1),
            # a group's biases come one group at a time, so the first feature takes the groups one by one
            self._stride.eq(Mux(step == 0, 1, self._kinds)),
            self._feature_done.eq(group == now.last_group - (self._stride - 1)),
        ]
        with m.FSM() as phase:
            with m.State("FETCH"):
                m.d.comb += now.fetch.eq(1)
                m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += [
                    self._own.eq(now.source),
                    self._shared.eq(now.second),
                    shared_start.eq(now.second),
                    self._dest.eq(now.dest),
                ]
                with m.If(now.embeds):
                    m.next = "EMBED"
                with m.Elif(now.pools):
                    m.next = "WRITE"
                with m.Else():
                    m.next = "RUN"
            with m.State("EMBED"), m.If(self._embed_step):
                m.d.sync += group.eq(Mux(self._feature_done, 0, group + self._stride))
                with m.If(self._feature_done):
                    m.d.sync += step.eq(Mux(last_step, 0, step + 1))
                    with m.If(last_step):
                        m.next = "WRITE"
            with m.State("RUN"), m.If(self._issue):
                m.d.sync += [step.eq(step + 1), self._shared.eq(self._shared + 1)]
                with m.If(self._whole_word(m)):
                    m.d.sync += self._own.eq(self._own + 1)
                with m.If(last_step):
                    m.d.sync += step.eq(0)
                    m.next = "SETTLE"
            with m.State("SETTLE"), m.If(self._settled):
                m.next = "WRITE"
            with m.State("WRITE"), m.If(self._part_done):
                m.d.sync += part.eq(Mux(last_part, 0, part + 1))
                with m.If(last_part):
                    m.d.sync += [place.eq(Mux(place == now.last_place, 0, place + 1)), self._dest.eq(self._dest + 1)]
                with m.If(last_place & ~last_block):
                    m.d.sync += [block.eq(block + 1), self._shared.eq(shared_start)]
                    m.next = "RUN"
                with m.If(last_place & last_block):
                    m.d.sync += [block.eq(0), group.eq(Mux(last_group, 0, group + 1))]
                    m.d.sync += [self._own.eq(now.source), shared_start.eq(self._shared)]
                    with m.If(~now.embeds):
                        m.next = "RUN"
                    with m.If(last_group):
                        m.d.sync += index.eq(Mux(now.reads_out, 0, index + 1))
                        m.next = "FETCH"
                with m.If(last_place & last_block & last_group & now.reads_out & ~self._deciding):
                    m.d.sync += held.eq(held + 1)
        self._runs, self._embedding = phase.ongoing("RUN"), phase.ongoing("EMBED")
        m.d.comb += self._writes.eq(phase.ongoing("WRITE"))

    def _whole_word(self, m: Module) -> Value:
        """1 where a step takes a word's last lanes: always, except in a readout of all tokens, which takes one by one."""
        self._lane = Signal(range(self._tokens))
        if not self.program[-1].lane_by_lane:
            return Const(1)
        last = self._lane == self._tokens - 1
        with m.If(self._pass.lane_by_lane):
            m.d.sync += self._lane.eq(Mux(last, 0, self._lane + 1))
        return ~self._pass.lane_by_lane | last

    def _multiply(self, m: Module) -> None:
        """Operands into the array: one cycle after their memories were asked, or a feature as it comes."""
        now, weights, biases = self._pass, self.weights.o, self._row_biases.o
        own_bits, shared_bits = operand_bits(self.design)
        m.submodules.array = array = self._array = MacArray(
            rows=self._rows,
            lanes=self._tokens,
            own_bits=own_bits,
            shared_bits=shared_bits,
            bias_bits=bias_format(self.design).bits,
            sum_bits=sum_bits(self.design),
            kinds=self._kinds,
        )
        has_operands, is_first = Signal(), Signal()
        self._from_memory = from_memory = now.outer | now.attends
        multiplied, half = Signal(), Signal()  # in halves of the state: the lower one first
        is_split = now.attends if state_halves(self.design) == 2 else Const(0)
        embedding = self.embed_weights.o
        fetched, first, lanes, can_embed = Signal(), Signal(), Signal(self._tokens), Signal()
        takes_bias = array.step & array.first & now.has_bias
        ready = (from_memory | Mux(now.embeds, embedding.valid, weights.valid)) & (
            ~first | ~now.has_bias | (biases.valid & ~takes_bias)
        )
        m.d.comb += [
            multiplied.eq(has_operands & ready),
            self._moved.eq(multiplied & (~is_split | half)),
            # a sum is there two cycles after its last operands; what reads a word before it writes need not wait for that
            self._settled.eq(Mux(now.residual, self._moved, array.step & ~has_operands)),
            self._issue.eq(self._runs & (~has_operands | self._moved)),
            can_embed.eq(self._embedding & ready),
            self._embed_step.eq(can_embed & self.i.valid),
            self.i.ready.eq(can_embed & self._feature_done),
            fetched.eq(multiplied | self._embed_step),
            first.eq(Mux(now.embeds, self._step == 0, is_first & ~half)),
            lanes.eq(Mux(now.embeds, Mux(self._stride == 1, 1, (1 << self._kinds) - 1) << self._group, self._lanes())),
            weights.ready.eq(self._moved & ~from_memory),
            embedding.ready.eq(self._embed_step & ((self._group + self._stride) % self._kinds == 0)),
            biases.ready.eq(takes_bias),
        ]
        m.d.sync += array.step.eq(fetched)
        with m.If(fetched):
            m.d.sync += [array.first.eq(first), array.lanes.eq(lanes)]
        with m.If(multiplied & is_split):
            m.d.sync += half.eq(~half)
        with m.If(self._issue | self._moved):
            m.d.sync += has_operands.eq(self._issue)
        with m.If(self._issue):
            m.d.sync += is_first.eq(self._step == 0)
        stored = data.View(data.ArrayLayout(signed(LANE.bits), self._rows), self._row_memory.read_data)
        # Operands are registers: the multipliers see each pair once, without the glitches of the choice between sources.
        for row in range(self._rows):
            m.d.comb += array.bias[row].eq(Mux(now.has_bias, biases.payload[row], 0))
            operand = Mux(from_memory, self._state_operand(stored[row], half, is_split), weights.payload[row])
            for kind in range(self._kinds):
                with m.If(fetched):
                    m.d.sync += array.shared[kind][row].eq(Mux(now.embeds, embedding.payload[kind][row], operand))
        for lane in range(self._tokens):
            kept = self._kept(m, lane)
            operand = Cat(kept, kept[-1] & ~now.unsigned).as_signed()
            if state_halves(self.design) == 2:
                operand = Mux(half, operand << LANE.bits // 2, operand)
            with m.If(fetched & lanes[lane]):
                m.d.sync += array.own[lane].eq(Mux(now.embeds, Cat(self.i.payload, 0), operand))
        m.d.comb += [array.place.eq(self._place), array.by_lane.eq(now.by_token)]

    def _lanes(self) -> Value:
        """Lanes that multiply, embedding apart."""
        every = Const((1 << self._tokens) - 1)
        return Mux(self._pass.lane_by_lane, 1, every) if self.program[-1].lane_by_lane else every

    def _kept(self, m: Module, lane: int) -> Value:
        """A lane's value of the word that was read; in a readout of all tokens lane 0 takes each in turn."""
        values = [self._columns.read_data.word_select(each, LANE.bits) for each in range(self._tokens)]
        if lane or not self.program[-1].lane_by_lane:
            return values[lane]
        asked = Signal.like(self._lane)
        with m.If(self._issue):
            m.d.sync += asked.eq(self._lane)
        return Mux(self._pass.lane_by_lane, pick(values, asked), values[0])

    def _state_operand(self, stored: Value, half: Value, is_split: Value) -> Value:
        """A value or a state of the second memory; of a split state the half that is multiplied, the lower one without sign."""
        if state_halves(self.design) == 1:
            return stored
        width = LANE.bits // 2
        lower = Mux(is_split, Cat(stored[:width], 0), stored[: width + 1])
        return Mux(half, stored[width:].as_signed(), lower.as_signed())

    def _write(self, m: Module) -> None:
        """Sums to the memories, a word per transfer, and to the readout."""
        now, writes, part, back = self._pass, self._writes, self._part, self._round(m)
        columns, rows, positions = self._columns, self._row_memory, self._column.o
        most_groups = self.program[0].groups
        embeds, is_embed, is_window = now.embeds, Signal(), Signal()
        new = pick([back.rounded[lane] for lane in range(most_groups)], self._group)
        history = Cat(columns.read_data[LANE.bits :], new)
        m.d.comb += [
            back.left.eq(Mux(writes, Mux(embeds, history, columns.read_data), 0)),
            back.right.eq(Mux(embeds, Value.cast(positions.payload), back.rounded)),
            is_embed.eq(writes & embeds & (part == 1)),
            is_window.eq(writes & embeds & (part == 2) & positions.valid),
            positions.ready.eq(is_window),
        ]
        reads = writes & (part == 0) & (embeds | now.residual | now.pools)
        stores = writes & ~reads & ~now.reads_out & (~embeds | is_embed | is_window)
        by_row = Cat(*(back.rounded[row] for row in range(self._rows)))
        place = Mux(now.pools, now.source + self._place, self._dest)
        word = Mux(is_window, self._place + self._group * self._rows, place)
        m.d.comb += [
            columns.enable.eq((self._issue & (self._lane == 0)) | reads | (stores & ~now.to_second)),
            columns.write.eq(stores),
            columns.address.eq(Mux(self._runs, self._own, Mux(now.pools & stores, self._dest, word))),
            rows.enable.eq((self._issue & self._from_memory) | (stores & now.to_second)),
            rows.write.eq(stores),
            rows.address.eq(Mux(self._runs, self._shared, self._dest)),
            rows.write_data.eq(by_row),
        ]
        with m.If(is_embed):
            m.d.comb += columns.write_data.eq(history)
        with m.Elif(embeds | now.residual):
            m.d.comb += columns.write_data.eq(back.added)
        with m.Elif(now.pools):
            m.d.comb += columns.write_data.eq(back.rounded[0])
        with m.Elif(now.by_token):
            m.d.comb += columns.write_data.eq(by_row)
        with m.Else():
            m.d.comb += columns.write_data.eq(back.rounded)
        m.d.comb += [
            self.o.payload.eq(self._array.column[0]),
            self.o.valid.eq(writes & now.reads_out & self._deciding & (self._dest < self.design.model.outputs)),
            self._part_done.eq(writes & (~self.o.valid | self.o.ready) & (~embeds | (part != 2) | positions.valid)),
        ]
        self._show(m, back, by_row, new, is_embed, is_window)

    def _round(self, m: Module) -> WriteBack:
        now, column = self._pass, self._array.column
        stream_bits = self.design.quant.stream
        m.submodules.write_back = back = WriteBack(
            lanes=self._tokens, sum_bits=sum_bits(self.design), lane_bits=LANE.bits, stream=stream_bits
        )
        kept = [self._columns.read_data.word_select(lane, LANE.bits).as_signed() for lane in range(self._tokens)]
        m.d.comb += [
            *(back.sums[lane].eq(Mux(self._writes, column[lane], 0)) for lane in range(1, self._tokens)),
            back.sums[0].eq(Mux(self._writes, Mux(now.pools, reduce(add, kept), column[0]), 0)),
            back.shift.eq(now.shift),
            back.low.eq(now.low),
            back.high.eq(now.high),
        ]
        return back

    def _show(self, m: Module, back: WriteBack, by_row: Value, new: Value, is_embed: Value, is_window: Value) -> None:
        """Drive what `transfers` gives."""
        last = self._writes & self._deciding & (self._part == (self._pass.residual | self._pass.pools))
        found = {"embed": (new, is_embed), "window": (back.added, is_window & self._deciding)}
        for number, one in enumerate(self.program):
            valid = last & (self._index == number)
            if one.kind is Kind.POOL:
                found["pool"] = (back.rounded[0], valid)
            elif one.kind in (Kind.LINEAR, Kind.ATTEND):
                found[one.name] = (by_row if one.by_token else back.rounded, valid)
            if one.residual:
                found[one.name.replace("project", "attended").replace("contract", "out")] = (back.added, valid)
        for name, (payload, valid) in self._seen.items():
            m.d.comb += [payload.eq(found[name][0]), valid.eq(found[name][1])]
