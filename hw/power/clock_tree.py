"""A clock tree that no tool has built yet: how many buffers, how much wire, and what they take. An estimate from the netlist.

Of a clock net with n sinks (pins of registers, gates and memories) the tree has ``ceil(n / F)`` buffers that drive the sinks,
``ceil(that / F)`` that drive those, and so on to one at its head; every clock net has at least that one. F, the sinks of a
buffer, is SINKS_PER_BUFFER or what FILL of the largest load in its energy table holds, whichever is less. Each level's wire
passes through all that it drives: ``TOUR sqrt(k A)`` for k pins in the area A of the smallest block around the sinks
(hw/power/wire_load.py). Where the gate that drives them lies outside, ``APART sqrt(area around both)`` leads there.

    energy per toggle of the net = 1/2 V^2 (wires + buffers x input pin) + buffers x internal energy at the mean load of one
    leakage = buffers x leakage of one

The sinks' own pins are counted with the cells. A gated net toggles as its gate lets it, and its tree with it. What a tree takes
is shared equally among its sinks, so that it appears in their blocks. The buffers are those of the library that take least of
all that drive F sinks of the netlist's mean clock net.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from hw.power.activity import Activity
from hw.power.cells import Cell
from hw.power.netlist import Netlist
from hw.power.wire_load import CLOCK_WIRE_FF_PER_UM, TOUR, enclosing_area_um2

SINKS_PER_BUFFER = 12
"""An assumption: trees that OpenROAD's TritonCTS builds have 8 to 20 sinks per leaf, 12 to 14 on average (the logs in OpenROAD
issue 1987)."""
FILL = 0.25
"""An assumption: share of the largest characterised load that a buffer is given, for the slopes a clock needs. With it
IHP SG13G2 gets sg13g2_buf_2, which is also CTS_BUF_CELL in the platform file of OpenROAD-flow-scripts."""
APART = 0.5214
"""Mean distance of two random points in a square of side 1."""


@dataclass(frozen=True)
class Buffer:
    """A cell of one input and one output that repeats it; `limit_pf`: the largest load its energy table knows."""

    cell: str
    pin: str
    output: str
    limit_pf: float

    def per_toggle_pj(self, cells: dict[str, Cell], slew_ns: float, load_pf: np.ndarray) -> np.ndarray:
        """Internal energy; `cells` are of one corner."""
        groups = cells[self.cell].pins[self.output].energy
        return np.mean([group.per_toggle_pj(slew_ns, load_pf) for group in groups], axis=0)

    def input_pf(self, cells: dict[str, Cell]) -> float:
        return cells[self.cell].pins[self.pin].capacitance_pf


@dataclass(frozen=True)
class ClockTree:
    """By net, 0 on nets that are no clock: `buffers`, `wire_pf` of all levels, `pins_pf` and number of the `sinks`. `buffer` is
    None, and `buffers` 0, where the library has no buffer: then the tree is wires alone."""

    buffer: Buffer | None
    buffers: np.ndarray
    wire_pf: np.ndarray
    pins_pf: np.ndarray
    sinks: np.ndarray
    sink_instance: np.ndarray
    sink_net: np.ndarray
    """[sinks of all nets]: instance and net of each clock pin."""

    @property
    def count(self) -> int:
        return int(self.buffers.sum())

    def area_um2(self, cells: dict[str, Cell]) -> float:
        return self.count * cells[self.buffer.cell].area_um2 if self.buffer else 0.0

    def per_toggle_pj(self, cells: dict[str, Cell], voltage: float, slew_ns: float) -> np.ndarray:
        """[nets] energy of the tree per toggle of each clock net, without the sinks' pins."""
        if self.buffer is None:
            return 0.5 * voltage**2 * self.wire_pf
        inputs = self.buffers * self.buffer.input_pf(cells)
        head = self.buffer.input_pf(cells) * (self.buffers > 0)
        mean = np.divide(
            self.pins_pf + self.wire_pf + inputs - head, self.buffers, out=np.zeros_like(inputs), where=self.buffers > 0
        )
        internal = self.buffers * self.buffer.per_toggle_pj(cells, slew_ns, mean)
        return 0.5 * voltage**2 * (self.wire_pf + inputs) + internal

    def spent_pj(
        self, cells: dict[str, Cell], activity: Activity, voltage: float, slew_ns: float, instances: int
    ) -> np.ndarray:
        """[instances] energy per cycle, at the sinks."""
        return self._at_sinks(self.per_toggle_pj(cells, voltage, slew_ns) * activity.toggles, instances)

    def leakage_w(self, cells: dict[str, Cell], instances: int) -> np.ndarray:
        """[instances] at the sinks."""
        one = cells[self.buffer.cell].leakage_w if self.buffer else 0.0
        return self._at_sinks(self.buffers * one, instances)

    def _at_sinks(self, by_net: np.ndarray, instances: int) -> np.ndarray:
        found = np.zeros(instances)
        np.add.at(found, self.sink_instance, by_net[self.sink_net] / self.sinks[self.sink_net])
        return found


def plan_clock_tree(netlist: Netlist, clocks: Sequence[int], cells: dict[str, Cell], slew_ns: float) -> ClockTree:
    """The tree of every clock net of `clocks`; `cells` of the typical corner choose the buffer."""
    is_clock = np.zeros(netlist.nets, bool)
    is_clock[list(clocks)] = True
    sinks, pins_pf = np.zeros(netlist.nets, np.int64), np.zeros(netlist.nets)
    at: list[tuple[int, int]] = []
    for index, instance in enumerate(netlist.instances):
        for name, net in instance.pins.items():
            pin = cells[instance.cell.name].pin(name)
            if is_clock[net] and pin.direction == "input":
                sinks[net] += 1
                pins_pf[net] += pin.capacitance_pf
                at.append((index, net))
    area, whole = enclosing_area_um2(netlist, sinks_only=True), enclosing_area_um2(netlist)
    leaf_pf = _wire_pf(sinks, area)
    per_sink = float((pins_pf + leaf_pf).sum() / max(1, sinks.sum()))
    buffer = choose_buffer(cells, per_sink, slew_ns)
    trunk_um = APART * np.sqrt(whole) * ((sinks > 0) & (whole > area))
    buffers, wire_pf = np.zeros(netlist.nets, np.int64), leaf_pf + trunk_um * CLOCK_WIRE_FF_PER_UM * 1e-3
    if buffer is not None:
        for net in np.flatnonzero(sinks).tolist():
            found = levels(int(sinks[net]), sinks_of_a_buffer(buffer, float(pins_pf[net] + leaf_pf[net]) / int(sinks[net])))
            buffers[net] = sum(found)
            wire_pf[net] += sum(float(_wire_pf(np.array(count), area[net])) for count in found if count > 1)
    where = np.array(at, np.int64).reshape(-1, 2)
    return ClockTree(buffer, buffers, wire_pf, pins_pf, sinks, where[:, 0], where[:, 1])


def levels(sinks: int, fanout: int) -> list[int]:
    """Buffers of each level, from those that drive the sinks to the one at the head."""
    found = [ceil(sinks / fanout)]
    while found[-1] > 1:
        found.append(ceil(found[-1] / fanout))
    return found


def sinks_of_a_buffer(buffer: Buffer, per_sink_pf: float) -> int:
    """At least 2, so that a tree comes to an end."""
    fitting = int(FILL * buffer.limit_pf / per_sink_pf) if per_sink_pf > 0 else SINKS_PER_BUFFER
    return max(2, min(SINKS_PER_BUFFER, fitting))


def choose_buffer(cells: dict[str, Cell], per_sink_pf: float, slew_ns: float) -> Buffer | None:
    """Of the buffers that drive most sinks, at best SINKS_PER_BUFFER, the one with the least energy per toggle (own input and
    inside, at 1 V: the load is the same for all). None where the library has none."""

    def cost(buffer: Buffer) -> tuple[int, float]:
        driven = sinks_of_a_buffer(buffer, per_sink_pf)
        inside = float(buffer.per_toggle_pj(cells, slew_ns, np.array([driven * per_sink_pf]))[0])
        return -driven, inside + 0.5 * buffer.input_pf(cells)

    return min((found for cell in cells.values() if (found := _as_buffer(cell)) is not None), key=cost, default=None)


def _as_buffer(cell: Cell) -> Buffer | None:
    pins = list(cell.pins.values())
    inputs, outputs = ([pin for pin in pins if pin.direction == direction] for direction in ("input", "output"))
    if len(inputs) != 1 or len(outputs) != 1 or cell.register or cell.clock_gate or cell.is_latch or cell.memory:
        return None
    output = outputs[0]
    if output.tristate or output.function is None or output.function.op != "pin" or output.function.pin != inputs[0].name:
        return None
    limits = [table.loads[-1] for group in output.energy for table in (group.rise, group.fall) if table is not None]
    return Buffer(cell.name, inputs[0].name, output.name, float(min(limits))) if limits and min(limits) > 0 else None


def _wire_pf(pins: np.ndarray, area_um2: np.ndarray) -> np.ndarray:
    return TOUR * np.sqrt(pins * area_um2) * CLOCK_WIRE_FF_PER_UM * 1e-3
