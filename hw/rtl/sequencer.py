"""The engine's control: which pass, group, block, step and place it is, and what moves in a cycle (docs/blocks/engine.md)."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from designs.schema import Design
from hw.plan.engine import Pass, embed_groups, engine_rows, memory_map, state_halves, weight_pack
from hw.rtl.pass_table import PassFields
from hw.rtl.single_port_memory import Access


class Steering(wiring.Signature):
    """What the datapath does in a cycle.

    take: operands into the array; first: for new sums; lanes: those that take part; half: the upper half of a split state;
    lane: which value of the word that was read, in a readout of all tokens; later: the step's weights are the upper half of
    their word. writes: sums are rounded, those of `place`; group: of the pass. is_embed, is_window: the word written is a
    column of the history, or of the window.
    """

    def __init__(self, design: Design, program: tuple[Pass, ...]):
        tokens = design.model.tokens
        members = {name: Out(1) for name in ("take", "first", "half", "later", "writes", "is_embed", "is_window")}
        members |= {"lanes": Out(tokens), "lane": Out(range(tokens)), "place": Out(range(max(one.places for one in program)))}
        super().__init__(members | {"group": Out(range(max(one.groups for one in program)))})


HANDSHAKES = ("feature", "weights", "biases", "positions")
"""Streams that the engine takes from, their payloads apart."""


class Sequencer(wiring.Component):
    """Goes through the passes of `program`, again and again, as operands come.

    now: the pass `index`, a cycle after `fetch`. <stream>_valid, _ready: of HANDSHAKES; o_valid, o_ready: of the readout.
    columns, rows: accesses of the two memories. steer: the datapath. last, deciding: a pass writes its last part of a word; the
    window is full, so what it writes counts. only_weights: of the parameters no others are read.
    A step is issued, that is asked of the memories, one cycle before it is taken.
    """

    def __init__(self, design: Design, program: tuple[Pass, ...]):
        self.design, self.program, at = design, program, memory_map(design)
        self.rows_depth = at.second_depth
        self._tokens, self._kinds = design.model.tokens, embed_groups(design)
        ports = {f"{name}_valid": In(1) for name in HANDSHAKES} | {f"{name}_ready": Out(1) for name in HANDSHAKES}
        super().__init__(
            ports
            | {
                "now": In(PassFields(program)),
                "index": Out(range(len(program))),
                "fetch": Out(1),
                "o_valid": Out(1),
                "o_ready": In(1),
                "columns": Out(Access(at.depth)),
                "rows": Out(Access(at.second_depth)),
                "steer": Out(Steering(design, program)),
                "only_weights": Out(1),
                "last": Out(1),
                "deciding": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._count(m)
        self._take(m)
        self._write(m)
        return m

    def _count(self, m: Module) -> None:
        """Which pass, group, block, step and place it is, and where operands and results lie."""
        now, most = self.now, {name: max(getattr(one, name) for one in self.program) for name in ("steps", "blocks")}
        group, place = self.steer.group, self.steer.place
        block, self._step, self._part = Signal(range(most["blocks"])), Signal(range(most["steps"])), Signal(range(3))
        held, step, part = Signal(range(self._tokens)), self._step, self._part
        self._own, self._dest = Signal.like(self.columns.address), Signal(max(len(self.columns.address), 8))
        self._shared, shared_start = Signal.like(self.rows.address), Signal.like(self.rows.address)
        self._issue, self._embed_step, self._settled, self._part_done = Signal(), Signal(), Signal(), Signal()
        self._feature_done, self._stride = Signal(), Signal(range(self._kinds + 1))
        last_group, last_step, last_block = group == now.last_group, step == now.last_step, block == now.last_block
        last_part = part == Mux(now.embeds, 2, now.residual | now.pools)
        last_place = self._part_done & last_part & (place == now.last_place)
        m.d.comb += [
            self.deciding.eq(held == self._tokens - 1),
            # a group's biases come one group at a time, so the first feature takes the groups one by one
            self._stride.eq(Mux(step == 0, 1, self._kinds)),
            self._feature_done.eq(group == now.last_group - (self._stride - 1)),
        ]
        with m.FSM() as phase:
            with m.State("FETCH"):
                m.d.comb += self.fetch.eq(1)
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
                        m.d.sync += self.index.eq(Mux(now.reads_out, 0, self.index + 1))
                        m.next = "FETCH"
                with m.If(last_place & last_block & last_group & now.reads_out & ~self.deciding):
                    m.d.sync += held.eq(held + 1)
        self._runs, self._embedding = phase.ongoing("RUN"), phase.ongoing("EMBED")
        m.d.comb += self.steer.writes.eq(phase.ongoing("WRITE"))

    def _whole_word(self, m: Module) -> Value:
        """1 where a step takes a word's last lanes: always, except in a readout of all tokens, which takes one by one."""
        self._lane = Signal(range(self._tokens))
        if not self.program[-1].lane_by_lane:
            return Const(1)
        last = self._lane == self._tokens - 1
        with m.If(self.now.lane_by_lane):
            m.d.sync += self._lane.eq(Mux(last, 0, self._lane + 1))
        with m.If(self._issue):
            m.d.sync += self.steer.lane.eq(self._lane)
        return ~self.now.lane_by_lane | last

    def _take(self, m: Module) -> None:
        """Operands into the array: one cycle after their memories were asked, or a feature as it comes."""
        now, steer, half = self.now, self.steer, self.steer.half
        has_operands, is_first, multiplied, moved, can_embed = Signal(), Signal(), Signal(), Signal(), Signal()
        stepping, starting = Signal(), Signal()  # the array multiplies what it took, and begins new sums
        self._from_memory = from_memory = now.outer | now.attends
        is_split = now.attends if state_halves(self.design) == 2 else Const(0)  # the lower half of the state first
        takes_bias = stepping & starting & now.has_bias
        awaits_bias = steer.first & now.has_bias & (~self.biases_valid | takes_bias)
        ready = (from_memory | self.weights_valid) & ~awaits_bias
        every = Const((1 << self._tokens) - 1)
        all_lanes = Mux(now.lane_by_lane, 1, every) if self.program[-1].lane_by_lane else every
        embed_lanes = Mux(self._stride == 1, 1, (1 << self._kinds) - 1) << steer.group
        m.d.comb += [
            multiplied.eq(has_operands & ready),
            moved.eq(multiplied & (~is_split | half)),
            # a sum is there two cycles after its last operands; what reads a word before it writes need not wait for that
            self._settled.eq(Mux(now.residual, moved, stepping & ~has_operands)),
            self._issue.eq(self._runs & (~has_operands | moved)),
            can_embed.eq(self._embedding & ready),
            self._embed_step.eq(can_embed & self.feature_valid),
            self.feature_ready.eq(can_embed & self._feature_done),
            steer.take.eq(multiplied | self._embed_step),
            steer.first.eq(Mux(now.embeds, self._step == 0, is_first & ~half)),
            steer.lanes.eq(Mux(now.embeds, embed_lanes, all_lanes)),
            self.weights_ready.eq(
                Mux(
                    self._embedding,
                    self._embed_step & ((steer.group + self._stride) % self._kinds == 0),
                    moved & ~from_memory & (steer.later | (weight_pack(self.design) == 1)),
                )
            ),
            # a word of weights stays while its steps last: reading anything else would take it from the memory's output
            self.only_weights.eq(Mux(self._embedding, self._step != 0, self._runs & ~awaits_bias)),
            self.biases_ready.eq(takes_bias),
        ]
        m.d.sync += stepping.eq(steer.take)
        with m.If(steer.take):
            m.d.sync += starting.eq(steer.first)
        with m.If(multiplied & is_split):
            m.d.sync += half.eq(~half)
        with m.If(self._issue | moved):
            m.d.sync += has_operands.eq(self._issue)
        with m.If(self._issue):
            m.d.sync += is_first.eq(self._step == 0)
            if weight_pack(self.design) == 2:
                m.d.sync += steer.later.eq(self._step[0])

    def _write(self, m: Module) -> None:
        """Sums to the memories, a word per transfer, and to the readout."""
        now, steer, part, writes = self.now, self.steer, self._part, self.steer.writes
        embeds, counts = now.embeds, self._dest < self.design.model.outputs
        reads = writes & (part == 0) & (embeds | now.residual | now.pools)
        stores = writes & ~reads & ~now.reads_out & (~embeds | steer.is_embed | steer.is_window)
        place = Mux(now.pools, now.source + steer.place, self._dest)
        word = Mux(steer.is_window, steer.place + steer.group * engine_rows(self.design), place)
        m.d.comb += [
            steer.is_embed.eq(writes & embeds & (part == 1)),
            steer.is_window.eq(writes & embeds & (part == 2) & self.positions_valid),
            self.positions_ready.eq(steer.is_window),
            self.columns.enable.eq((self._issue & (self._lane == 0)) | reads | (stores & ~now.to_second)),
            self.columns.write.eq(stores),
            self.columns.address.eq(Mux(self._runs, self._own, Mux(now.pools & stores, self._dest, word))),
            self.rows.enable.eq((self._issue & self._from_memory) | (stores & now.to_second)),
            self.rows.write.eq(stores),
            self.rows.address.eq(Mux(self._runs, self._shared, self._dest)),
            self.o_valid.eq(writes & now.reads_out & self.deciding & counts),
            self._part_done.eq(writes & (~self.o_valid | self.o_ready) & (~embeds | (part != 2) | self.positions_valid)),
            self.last.eq(writes & (part == (now.residual | now.pools))),
        ]
