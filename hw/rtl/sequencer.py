"""The engine's control: which pass, group, block, step and place it is, and what moves in a cycle (docs/blocks/engine.md)."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from designs.schema import Design
from hw.plan.engine import embed_groups, engine_rows, memory_map, state_halves
from hw.plan.passes import Pass
from hw.rtl.engine_control import EngineControl


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


class Sequencer(EngineControl):
    """The passes of a window: the newest token's embedding into the history, then all tokens side by side."""

    def __init__(self, design: Design, program: tuple[Pass, ...]):
        at = memory_map(design)
        self._tokens, self._kinds = design.model.tokens, embed_groups(design)
        super().__init__(
            design,
            program,
            handshakes=HANDSHAKES,
            memories={"columns": at.depth, "rows": at.second_depth},
            steering=Steering(design, program),
        )

    def _count(self, m: Module) -> None:
        """Which pass, group, block, step and place it is, and where operands and results lie."""
        now, most = self.now, {name: max(getattr(one, name) for one in self.program) for name in ("steps", "blocks")}
        group, place = self.steer.group, self.steer.place
        block, self._step, self._part = Signal(range(most["blocks"])), Signal(range(most["steps"])), Signal(range(3))
        held, step, part = Signal(range(self._tokens)), self._step, self._part
        width = max(len(self.columns.address), len(self.rows.address), 8, self.design.model.outputs.bit_length())
        self._own, self._dest = Signal.like(self.columns.address), Signal(width)
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
        now, steer, can_embed = self.now, self.steer, Signal()
        self._from_memory = from_memory = now.outer | now.attends
        is_split = now.attends if state_halves(self.design) == 2 else Const(0)
        self._step_operands(m, from_memory, is_split)
        every = Const((1 << self._tokens) - 1)
        all_lanes = Mux(now.lane_by_lane, 1, every) if self.program[-1].lane_by_lane else every
        embed_lanes = Mux(self._stride == 1, 1, (1 << self._kinds) - 1) << steer.group
        embed_word_done = self._embed_step & ((steer.group + self._stride) % self._kinds == 0)
        m.d.comb += [
            can_embed.eq(self._embedding & self._ready),
            self._embed_step.eq(can_embed & self.feature_valid),
            self.feature_ready.eq(can_embed & self._feature_done),
            steer.take.eq(self._multiplied | self._embed_step),
            steer.first.eq(Mux(now.embeds, self._step == 0, self._is_first & ~steer.half)),
            steer.lanes.eq(Mux(now.embeds, embed_lanes, all_lanes)),
            self.weights_ready.eq(Mux(self._embedding, embed_word_done, self._word_done)),
            # a word of weights stays while its steps last: reading anything else would take it from the memory's output
            self.only_weights.eq(Mux(self._embedding, self._step != 0, self._runs & ~self._awaits_bias)),
        ]

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
