"""The engine's control where states run on: one token at a time, in one lane (docs/blocks/engine.md)."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from designs.schema import Design
from hw.plan.engine import engine_rows, state_halves
from hw.plan.passes import Pass
from hw.plan.stream_program import stream_map
from hw.rtl.engine_control import EngineControl


class StreamSteering(wiring.Signature):
    """What the datapath does in a cycle.

    take: operands into the array; first: for new sums; half: the upper half of a split state; old: the state before is kept,
    fresh: there is none since reset; later: the step whose weights lie second in a word. fills: the feature is written.
    writes: sums are rounded, those of `place`; holds: what was read is kept for the leaky mean that is written next.
    """

    def __init__(self, design: Design, program: tuple[Pass, ...]):
        names = ("take", "first", "half", "old", "fresh", "later", "fills", "writes", "holds")
        super().__init__({name: Out(1) for name in names} | {"place": Out(range(max(one.places for one in program)))})


HANDSHAKES = ("feature", "weights", "biases")
"""Streams that the engine takes from, their payloads apart."""


class StreamSequencer(EngineControl):
    """The passes of a token, once per token.

    values: accesses of the memory of the token's values. A group of a leaky state is one of values; its blocks are keys, for
    each of which one word is written: in step 0 the state before is multiplied by what is kept of it, in step 1 values by the
    key.
    """

    def __init__(self, design: Design, program: tuple[Pass, ...]):
        at = stream_map(design, engine_rows(design))
        super().__init__(
            design,
            program,
            handshakes=HANDSHAKES,
            memories={"columns": at.depth, "rows": at.second_depth, "values": at.value_words},
            steering=StreamSteering(design, program),
        )

    def _count(self, m: Module) -> None:
        """Which pass, group, block, step and place it is, and where operands and results lie."""
        now, most = self.now, {name: max(getattr(one, name) for one in self.program) for name in ("steps", "blocks", "groups")}
        group, place, self._word = Signal(range(most["groups"])), self.steer.place, Signal.like(self.values.address)
        block, self._step, self._part = Signal(range(most["blocks"])), Signal(range(most["steps"])), Signal(range(3))
        held, step, part = Signal(range(self.design.model.tokens)), self._step, self._part
        width = max(len(self.columns.address), len(self.rows.address), self.design.model.outputs.bit_length())
        self._own, self._dest, self._shared = Signal.like(self.columns.address), Signal(width), Signal.like(self.rows.address)
        self._issue, self._settled, self._part_done = Signal(), Signal(), Signal()
        last_group, last_step, last_block = group == now.last_group, step == now.last_step, block == now.last_block
        last_part = part == Mux(now.pools, 2, now.residual)
        last_place = self._part_done & last_part & (place == now.last_place)
        finished = Signal()
        m.d.comb += [self.deciding.eq(held == self.design.model.tokens - 1), self.steer.fresh.eq(held == 0)]
        with m.FSM() as phase:
            with m.State("FETCH"):
                m.d.comb += self.fetch.eq(1)
                m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += [self._own.eq(now.source), self._shared.eq(now.second), self._dest.eq(now.dest)]
                with m.If(now.takes):
                    m.next = "FILL"
                with m.Elif(now.pools):
                    m.next = "WRITE"
                with m.Else():
                    m.next = "RUN"
            with m.State("FILL"), m.If(self.feature_valid):
                m.d.sync += [self._dest.eq(self._dest + 1), step.eq(Mux(last_step, 0, step + 1))]
                m.d.comb += finished.eq(last_step)
                with m.If(last_step):
                    m.next = "FETCH"
            with m.State("RUN"), m.If(self._issue):
                m.d.sync += step.eq(Mux(last_step, 0, step + 1))
                with m.If(~now.leaks):
                    m.d.sync += [self._own.eq(self._own + 1), self._shared.eq(self._shared + 1)]
                with m.If(last_step):
                    m.next = "SETTLE"
            with m.State("SETTLE"), m.If(self._settled):
                m.next = "WRITE"
            with m.State("WRITE"), m.If(self._part_done):
                m.d.sync += part.eq(Mux(last_part, 0, part + 1))
                with m.If(last_part):
                    m.d.sync += [place.eq(Mux(place == now.last_place, 0, place + 1)), self._dest.eq(self._dest + 1)]
                with m.If(last_place):
                    m.d.sync += [block.eq(Mux(last_block, 0, block + 1)), self._own.eq(self._own + 1)]
                    m.next = "RUN"
                with m.If(last_place & last_block):
                    m.d.sync += [group.eq(Mux(last_group, 0, group + 1)), self._own.eq(now.source)]
                    with m.If(now.by_token):
                        m.d.sync += self._word.eq(Mux(last_group, 0, self._word + 1))
                    m.d.comb += finished.eq(last_group)
                    with m.If(last_group):
                        m.next = "FETCH"
        with m.If(finished):
            m.d.sync += self.index.eq(Mux(now.reads_out, 0, self.index + 1))
        with m.If(finished & now.reads_out & ~self.deciding):
            m.d.sync += held.eq(held + 1)
        self._runs = phase.ongoing("RUN")
        m.d.comb += [
            self.steer.writes.eq(phase.ongoing("WRITE")),
            self.steer.fills.eq(phase.ongoing("FILL") & self.feature_valid),
        ]

    def _take(self, m: Module) -> None:
        """Operands into the array, one cycle after their memories were asked."""
        now, steer = self.now, self.steer
        from_memory = now.leaks | now.attends
        is_split = now.attends | steer.old if state_halves(self.design) == 2 else Const(0)
        self._step_operands(m, from_memory, is_split)
        m.d.comb += [
            steer.old.eq(now.leaks & self._is_first),
            self.feature_ready.eq(steer.fills),
            steer.take.eq(self._multiplied),
            steer.first.eq(self._is_first & ~steer.half),
            self.weights_ready.eq(self._word_done),
            # a word of weights stays while its steps last: reading anything else would take it from the memory's output
            self.only_weights.eq(self._runs & ~self._awaits_bias),
        ]

    def _write(self, m: Module) -> None:
        """Sums to the memories, a word per transfer, and to the readout."""
        now, steer, part, writes = self.now, self.steer, self._part, self.steer.writes
        keeps = now.leaks & (self._step == 0)  # the step that is issued reads the state alone, the next one values and key
        stores_values = Signal()
        reads = writes & (((part == 0) & (now.residual | now.pools)) | ((part == 1) & now.pools))
        stores = (writes & ~reads & ~now.reads_out) | steer.fills
        counts = self._dest < self.design.model.outputs
        m.d.comb += [
            steer.holds.eq(writes & now.pools & (part == 1)),
            stores_values.eq(stores & now.by_token & ~now.leaks),
            self.columns.enable.eq((self._issue & ~keeps) | reads | (stores & ~now.by_token)),
            self.columns.write.eq(stores),
            self.columns.address.eq(
                Mux(self._runs, self._own, Mux(now.pools & (part == 0), now.source + steer.place, self._dest))
            ),
            self.rows.enable.eq((self._issue & (keeps | now.attends)) | (stores & now.leaks)),
            self.rows.write.eq(stores),
            self.rows.address.eq(Mux(self._runs & ~keeps, self._shared, self._dest)),
            self.values.enable.eq((self._issue & now.leaks & ~keeps) | stores_values),
            self.values.write.eq(stores_values),
            self.values.address.eq(self._word),
            self.o_valid.eq(writes & now.reads_out & self.deciding & counts),
            self._part_done.eq(writes & (~self.o_valid | self.o_ready)),
            self.last.eq(writes & (part == Mux(now.pools, 2, now.residual))),
        ]
