"""The engine's data where states run on: the new token's values into the array, its sums rounded (docs/blocks/engine.md)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from designs.schema import LEAK_SHIFT, Design
from hw.plan.engine import bias_format, engine_rows, row_sum_bits, sum_bits, weight_pack
from hw.plan.passes import LANE, Kind, Pass
from hw.plan.stream_program import stream_map
from hw.rtl.engine_array import engine_array, own_half, state_operand, steer_array
from hw.rtl.pass_table import PassFields
from hw.rtl.payloads import shape_of, vector_of
from hw.rtl.single_port_memory import Access, SinglePortMemory
from hw.rtl.stream_sequencer import StreamSteering
from hw.rtl.write_back import WriteBack

KEPT = (1 << LEAK_SHIFT) - 1


class StreamDatapath(wiring.Component):
    """What the columns and the other memories offer, multiplied and rounded to what is written back.

    Ports as hw.rtl.datapath.Datapath's. A column has one value, that of the new token. value_access: accesses of the memory of
    the token's values, of which a state needs one word again and again.
    """

    def __init__(self, design: Design, program: tuple[Pass, ...]):
        self.design, self.program = design, program
        self._rows, self._pack = engine_rows(design), weight_pack(design)
        row_of_values = data.ArrayLayout(unsigned(LANE.bits), self._rows)
        bias = data.ArrayLayout(shape_of(bias_format(design)), self._rows)
        at, value = stream_map(design, self._rows), vector_of(design.quant.activation, self._rows)
        self._columns = SinglePortMemory(depth=at.depth, width=LANE.bits)
        self._values = SinglePortMemory(depth=at.value_words, width=value.size)
        self._value = data.View(value, self._values.read_data)
        super().__init__(
            {
                "now": In(PassFields(program)),
                "steer": In(StreamSteering(design, program)),
                "feature": In(shape_of(design.tokenizer.token)),
                "weights": In(data.ArrayLayout(vector_of(design.quant.weight, self._rows), self._pack)),
                "biases": In(bias),
                "access": In(Access(self._columns.depth)),
                "value_access": In(Access(self._values.depth)),
                "row_read": In(data.ArrayLayout(signed(LANE.bits), self._rows)),
                "to_rows": Out(row_of_values),
                "rounded": Out(row_of_values),
                "added": Out(row_of_values),
                "readout": Out(signed(sum_bits(design))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.columns = self._columns
        self._columns.follow(m, self.access)
        m.submodules.values = self._values
        self._values.follow(m, self.value_access)
        self._column = self._columns.read_data
        m.submodules.array = self._array = engine_array(self.design)
        self._multiply(m)
        self._write(m)
        return m

    def _multiply(self, m: Module) -> None:
        """Operands, from the token's values and from parameters or states."""
        now, steer, array = self.now, self.steer, self._array
        steer_array(m, array, now, steer, 1)
        for row in range(self._rows):
            stored, carry = state_operand(self.design, self.row_read[row], steer.half)
            stored = Mux(now.leaks & ~steer.old, self._value[row], stored)
            weight = Mux(steer.later, self.weights[self._pack - 1][row], self.weights[0][row])
            m.d.comb += [
                array.bias[row].eq(Mux(now.has_bias, self.biases[row], 0)),
                array.carry[row].eq(carry),
                array.shared[0][row].eq(Mux(now.leaks | now.attends, stored, weight)),
            ]
        column = Cat(self._column, self._column[-1] & ~now.unsigned).as_signed() << now.added
        kept = Mux(steer.fresh, 0, Const(KEPT) << now.kept)
        operand = Mux(steer.old, Cat(kept, 0).as_signed(), column)
        m.d.comb += array.own[0].eq(own_half(self.design, operand, steer.half))

    def _write(self, m: Module) -> None:
        """Words for the memories: rounded sums, or added to the stream, the leaky mean of the stream, or a feature."""
        now, steer, array = self.now, self.steer, self._array
        m.submodules.write_back = back = WriteBack(
            sum_bits=(sum_bits(self.design), *(row_sum_bits(self.design),) * (self._rows - 1)),
            lane_bits=LANE.bits,
            stream=self.design.quant.stream,
        )
        held, seen = Signal(signed(LANE.bits)), Signal(signed(LANE.bits))
        with m.If(steer.holds):
            m.d.sync += held.eq(self._column)
        with m.If(steer.writes):  # so that what is computed for writing does not follow what is read to multiply
            m.d.comb += seen.eq(self._column)
        leak = next(one.leak for one in self.program if one.kind is Kind.POOL)
        kept = Mux(steer.fresh, 0, seen) * KEPT << leak.kept
        m.d.comb += [
            back.sums[0].eq(Mux(now.pools, kept + (held << leak.added), array.column[0])),
            *(back.sums[row].eq(array.column[row]) for row in range(1, self._rows)),
            back.shift.eq(now.shift),
            back.low.eq(now.low),
            back.high.eq(now.high),
            back.left[0].eq(seen),
            back.right[0].eq(back.rounded[0]),
            self.rounded.eq(back.rounded),
            self.added.eq(back.added),
            self.to_rows.eq(back.rounded),
            self._values.write_data.eq(
                Cat(*(back.rounded[row][: self.design.quant.activation.bits] for row in range(self._rows)))
            ),
            self.readout.eq(array.column[0]),
        ]
        with m.If(steer.fills):
            m.d.comb += self._columns.write_data.eq(self.feature)
        with m.Elif(now.residual):
            m.d.comb += self._columns.write_data.eq(back.added[0])
        with m.Else():
            m.d.comb += self._columns.write_data.eq(back.rounded[0])
