"""The engine's array as both datapaths have it: widths, what steers it, halves of a state (docs/blocks/engine.md)."""

from amaranth.hdl import Const, Module, Mux, Value
from amaranth.lib import wiring

from designs.schema import Design
from hw.plan.engine import bias_format, engine_rows, lane_sum_bits, operand_bits, row_sum_bits, state_halves
from hw.plan.passes import LANE
from hw.rtl.mac_array import MacArray


def engine_array(design: Design, *, kinds: int = 1) -> MacArray:
    """Wide enough for every pass of the design, a lane for every token that is computed at once."""
    own_bits, shared_bits = operand_bits(design)
    sums = lane_sum_bits(design)
    return MacArray(
        rows=engine_rows(design),
        lanes=len(sums),
        own_bits=own_bits,
        shared_bits=shared_bits,
        bias_bits=bias_format(design).bits,
        sum_bits=sums,
        row_bits=row_sum_bits(design),
        kinds=kinds,
    )


def steer_array(m: Module, array: MacArray, now: wiring.PureInterface, steer: wiring.PureInterface, lanes: Value | int) -> None:
    """The array keeps its operands: multipliers see each pair once, without the glitches of the choice between sources."""
    m.d.comb += [
        array.take.eq(steer.take),
        array.first.eq(steer.first),
        array.lanes.eq(lanes),
        array.show.eq(steer.writes),
        array.place.eq(steer.place),
        array.by_lane.eq(now.by_token),
    ]


def state_operand(design: Design, stored: Value, upper: Value) -> tuple[Value, Value]:
    """(A value or a state as it was read; of a split state the half that is multiplied, what is to be added to it): where the
    lower half, taken as signed, counts 2 ** width too little, the upper one counts one more. upper: which half."""
    if state_halves(design) == 1:
        return stored, Const(0)
    width = LANE.bits // 2
    return Mux(upper, stored[width:].as_signed(), stored[:width].as_signed()), upper & stored[width - 1]


def own_half(design: Design, operand: Value, upper: Value) -> Value:
    """A lane's operand for that half: the upper one counts 2 ** width times as much."""
    return Mux(upper, operand << LANE.bits // 2, operand) if state_halves(design) == 2 else operand
