"""The engine's data: columns of activations into the array, its sums rounded into columns (docs/blocks/engine.md).

A module of its own, with the one memory that it reads in every step and without control and weights: its busy wires are short.
"""

from functools import reduce
from operator import add

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from designs.schema import Design
from hw.plan.engine import bias_format, embed_groups, engine_rows, lane_sum_bits, memory_map, sum_bits, weight_pack
from hw.plan.passes import LANE, Pass
from hw.rtl.engine_array import engine_array, own_half, state_operand, steer_array
from hw.rtl.mac_array import pick
from hw.rtl.pass_table import PassFields
from hw.rtl.payloads import shape_of, vector_of
from hw.rtl.sequencer import Steering
from hw.rtl.single_port_memory import Access, SinglePortMemory
from hw.rtl.write_back import WriteBack


class Datapath(wiring.Component):
    """What the columns and the other memories offer, multiplied and rounded to what is written back.

    now, steer: hw.rtl.pass_table, hw.rtl.sequencer. feature, weights, biases, positions: payloads of the engine's streams, a
    word of weights as groups of outputs or as steps. access: accesses of the memory of columns. row_read: the word of the
    other memory that was read last; to_rows: the one to write. embed, rounded, added: what the boundaries show; readout: the
    readout's sum.
    """

    def __init__(self, design: Design, program: tuple[Pass, ...]):
        self.design, self.program = design, program
        self._rows, self._tokens, self._kinds = engine_rows(design), design.model.tokens, embed_groups(design)
        self._pack = weight_pack(design)
        stream, weight = design.quant.stream, vector_of(design.quant.weight, self._rows)
        bias, lanes = shape_of(bias_format(design)), data.ArrayLayout(unsigned(LANE.bits), self._tokens)
        self._columns = SinglePortMemory(depth=memory_map(design).depth, width=lanes.size)
        self._column, self._held = data.View(lanes, self._columns.read_data), Signal(lanes)
        super().__init__(
            {
                "now": In(PassFields(program)),
                "steer": In(Steering(design, program)),
                "feature": In(shape_of(design.tokenizer.token)),
                "weights": In(data.ArrayLayout(weight, max(self._kinds, self._pack))),
                "biases": In(data.ArrayLayout(bias, self._rows)),
                "positions": In(data.ArrayLayout(shape_of(stream), self._tokens)),
                "access": In(Access(self._columns.depth)),
                "row_read": In(data.ArrayLayout(signed(LANE.bits), self._rows)),
                "to_rows": Out(data.ArrayLayout(unsigned(LANE.bits), self._rows)),
                "embed": Out(LANE.bits),
                "rounded": Out(lanes),
                "added": Out(lanes),
                "readout": Out(signed(sum_bits(design))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.columns = self._columns
        self._columns.follow(m, self.access)
        with m.If(self.steer.writes):  # so that what is computed for writing does not follow what is read to multiply
            m.d.comb += self._held.eq(self._column)
        m.submodules.array = self._array = engine_array(self.design, kinds=self._kinds)
        self._multiply(m)
        self._round(m)
        self._write(m)
        return m

    def _multiply(self, m: Module) -> None:
        """Operands, from columns and from parameters or state."""
        now, steer, array = self.now, self.steer, self._array
        steer_array(m, array, now, steer, steer.lanes)
        for row in range(self._rows):
            m.d.comb += array.bias[row].eq(Mux(now.has_bias, self.biases[row], 0))
            stored, carry = state_operand(self.design, self.row_read[row], steer.half)
            m.d.comb += array.carry[row].eq(carry)
            weight = Mux(steer.later, self.weights[self._pack - 1][row], self.weights[0][row])
            operand = Mux(now.outer | now.attends, stored, weight)
            for kind in range(self._kinds):
                m.d.comb += array.shared[kind][row].eq(Mux(now.embeds, self.weights[kind][row], operand))
        for lane in range(self._tokens):
            kept = self._kept(lane)
            operand = own_half(self.design, Cat(kept, kept[-1] & ~now.unsigned).as_signed(), steer.half)
            m.d.comb += array.own[lane].eq(Mux(now.embeds, Cat(self.feature, 0), operand))

    def _kept(self, lane: int) -> Value:
        """A lane's value of the word that was read; in a readout of all tokens lane 0 takes each in turn."""
        if lane or not self.program[-1].lane_by_lane:
            return Value.cast(self._column[lane])
        values = [self._column[each] for each in range(self._tokens)]
        return Mux(self.now.lane_by_lane, pick(values, self.steer.lane), values[0])

    def _round(self, m: Module) -> None:
        """The sums shown, or in the pool's pass the tokens of the column that was read, to the format of the pass."""
        now, column = self.now, self._array.column
        m.submodules.write_back = self._back = back = WriteBack(
            sum_bits=(sum_bits(self.design), *lane_sum_bits(self.design)[1:]),  # lane 0 rounds the pool's sums too
            lane_bits=LANE.bits,
            stream=self.design.quant.stream,
        )
        kept = [self._held[lane].as_signed() for lane in range(self._tokens)]
        pooled = Mux(now.pools, reduce(add, kept), column[0])
        m.d.comb += [
            back.sums[0].eq(pooled),
            *(back.sums[lane].eq(column[lane]) for lane in range(1, self._tokens)),
            back.shift.eq(now.shift),
            back.low.eq(now.low),
            back.high.eq(now.high),
            self.readout.eq(column[0]),
        ]

    def _write(self, m: Module) -> None:
        """Words for the memories: rounded sums, by output or by token, or added to the stream, or the history moved on."""
        now, steer, back = self.now, self.steer, self._back
        new = pick([back.rounded[lane] for lane in range(self.program[0].groups)], steer.group)
        history, held = Cat(Value.cast(self._held)[LANE.bits :], new), Value.cast(self._held)
        by_row, written = Cat(*(back.rounded[row] for row in range(self._rows))), self._columns.write_data
        m.d.comb += [
            back.left.eq(Mux(now.embeds, history, held)),
            back.right.eq(Mux(now.embeds, Value.cast(self.positions), back.rounded)),
            self.embed.eq(new),
            self.rounded.eq(back.rounded),
            self.added.eq(back.added),
            self.to_rows.eq(by_row),
        ]
        with m.If(steer.is_embed):
            m.d.comb += written.eq(history)
        with m.Elif(now.embeds | now.residual):
            m.d.comb += written.eq(back.added)
        with m.Elif(now.pools):
            m.d.comb += written.eq(back.rounded[0])
        with m.Elif(now.by_token):
            m.d.comb += written.eq(by_row)
        with m.Else():
            m.d.comb += written.eq(back.rounded)
