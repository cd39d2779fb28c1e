"""The engine's program as wires: the fields of the pass under way (docs/blocks/engine.md)."""

from dataclasses import dataclass

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from designs.number_format import IntFormat
from hw.plan.passes import LANE, Kind, Pass
from hw.rtl.write_back import SHIFT_BITS
from quant.golden.parameters import LeakShifts

FLAGS = (
    *("embeds", "outer", "attends", "pools", "reads_out"),
    *("has_bias", "by_token", "to_second", "residual", "lane_by_lane", "unsigned"),
)
STREAM_FLAGS = ("takes", "leaks", "attends", "pools", "reads_out", "has_bias", "by_token", "residual", "unsigned")
"""Where states run on."""


@dataclass(frozen=True)
class Field:
    """A number of every pass; `limit` is the largest in the program."""

    name: str
    values: tuple[int, ...]

    @property
    def limit(self) -> int:
        return max(self.values)


def runs_on(program: tuple[Pass, ...]) -> bool:
    """Whether the program is one of states that run on."""
    return any(one.kind is Kind.TAKE for one in program)


def flags_of(one: Pass) -> dict[str, bool]:
    """The flags of a pass by name, in the order of FLAGS; then those that only STREAM_FLAGS has."""
    kinds = {
        "embeds": Kind.EMBED,
        "outer": Kind.OUTER,
        "attends": Kind.ATTEND,
        "pools": Kind.POOL,
        "reads_out": Kind.READOUT,
    }
    found = {name: one.kind is kind for name, kind in kinds.items()}
    return found | {
        "has_bias": one.has_bias,
        "by_token": one.by_token,
        "to_second": one.to_second,
        "residual": one.residual,
        "lane_by_lane": one.lane_by_lane,
        "unsigned": not one.source_format.signed,
        "takes": one.kind is Kind.TAKE,
        "leaks": one.kind is Kind.LEAK,
    }


def fields_of(program: tuple[Pass, ...]) -> tuple[Field, ...]:
    """Addresses, counters by their last values, and shifts; kept, added: of a state that runs on."""
    rows = {
        "source": [one.source for one in program],
        "second": [one.second for one in program],
        "dest": [one.dest for one in program],
        "last_step": [max(one.steps, 1) - 1 for one in program],
        "last_group": [one.groups - 1 for one in program],
        "last_block": [one.blocks - 1 for one in program],
        "last_place": [one.places - 1 for one in program],
        "shift": [one.shift for one in program],
    }
    if runs_on(program):
        states = [one.leak if one.kind is Kind.LEAK else LeakShifts() for one in program]
        rows |= {"kept": [leak.kept for leak in states], "added": [leak.added for leak in states]}
    return tuple(Field(name, tuple(values)) for name, values in rows.items())


class PassFields(wiring.Signature):
    """What is known of a pass: the fields and flags of hw.plan.engine.Pass; low, high: limits of the format that it writes."""

    def __init__(self, program: tuple[Pass, ...]):
        limit = signed(LANE.bits + 1)
        members = {field.name: Out(range(field.limit + 1)) for field in fields_of(program)}
        flags = STREAM_FLAGS if runs_on(program) else FLAGS
        members |= {name: Out(1) for name in flags} | {"low": Out(limit), "high": Out(limit)}
        super().__init__(members | {"shift": Out(SHIFT_BITS)})


class PassTable(wiring.Component):
    """`index` of a pass to its fields: a table of constants, and registers for the row in use.

    fetch: `now` is the pass `index` from the next cycle on.
    """

    def __init__(self, program: tuple[Pass, ...]):
        self.program, self._fields = program, fields_of(program)
        super().__init__({"index": In(range(len(program))), "fetch": In(1), "now": Out(PassFields(program))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        flags = STREAM_FLAGS if runs_on(self.program) else FLAGS
        with m.If(self.fetch), m.Switch(self.index):
            for number, one in enumerate(self.program):
                with m.Case(number):
                    for field in self._fields:
                        m.d.sync += self._port(field.name).eq(field.values[number])
                    found = flags_of(one)
                    for name in flags:
                        m.d.sync += self._port(name).eq(found[name])
                    written = one.out if one.out.bits <= LANE.bits else IntFormat(LANE.bits)
                    m.d.sync += [self.now.low.eq(written.min), self.now.high.eq(written.max)]
        return m

    def _port(self, name: str) -> Signal:
        found = getattr(self.now, name)
        assert isinstance(found, Signal)
        return found
