"""The Liberty power engine: netlist + activity + energy tables -> energy per cycle and leakage, by instance and kind.

Per cell: internal energy at (slew, load) for half a rise and half a fall per toggle, groups with `when` weighted by their
probability and a group without for what remains; switching energy 1/2 C V^2 per toggle of the pin capacitances and the wire;
leakage by state; memories by their counted reads and writes; a clock tree that is not in the netlist, where one is given
(hw/power/clock_tree.py). Probabilities of several pins are taken as independent and one
slew serves all pins: docs/power.md says what that is worth.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from hw.power.activity import Activity
from hw.power.cells import Cell, EnergyGroup
from hw.power.clock_tree import ClockTree
from hw.power.netlist import Netlist

KINDS = ("logic", "registers", "clock", "memories")
SLEW_NS = 0.1


@dataclass(frozen=True)
class Conditions:
    """`wire_pf`: capacitance of each net's wire, None for none. `tree`: the clock tree to count, None for none."""

    voltage: float
    wire_pf: np.ndarray | None = None
    slew_ns: float = SLEW_NS
    tree: ClockTree | None = None


@dataclass(frozen=True)
class PowerResult:
    """energy_pj [instances, kinds]: per clock cycle; inputs_pj: nets that the outside drives; leakage_w [instances]."""

    energy_pj: np.ndarray
    inputs_pj: float
    leakage_w: np.ndarray

    @property
    def total_pj(self) -> float:
        return float(self.energy_pj.sum()) + self.inputs_pj

    def total_uw(self, clock_hz: float) -> float:
        return self.total_pj * clock_hz * 1e-6 + float(self.leakage_w.sum()) * 1e6

    def by_kind(self, clock_hz: float) -> dict[str, float]:
        """uW by kind, and "leakage"; the inputs' drivers count as logic."""
        parts = dict(zip(KINDS, (self.energy_pj.sum(axis=0) * clock_hz * 1e-6).tolist(), strict=True))
        parts["logic"] += self.inputs_pj * clock_hz * 1e-6
        return parts | {"leakage": float(self.leakage_w.sum()) * 1e6}


class PowerEngine:
    """A netlist prepared for many evaluations. `clocks`: nets that carry the clock, gated or not."""

    def __init__(self, netlist: Netlist, clocks: list[int]):
        self.netlist = netlist
        self._clock = np.zeros(netlist.nets, bool)
        self._clock[clocks] = True
        self._by_cell: dict[str, list[int]] = defaultdict(list)
        for index, instance in enumerate(netlist.instances):
            self._by_cell[instance.cell.name].append(index)
        self._columns: dict[tuple[str, str], np.ndarray] = {}
        for name, indices in self._by_cell.items():
            for pin in {pin for index in indices for pin in netlist.instances[index].pins}:
                nets = [netlist.instances[index].pins.get(pin, -1) for index in indices]
                self._columns[name, pin] = np.array(nets, np.int64)

    @property
    def kinds(self) -> list[str]:
        """By instance."""
        return [instance.cell.kind for instance in self.netlist.instances]

    def pin_loads_pf(self, cells: dict[str, Cell]) -> np.ndarray:
        """Capacitance of the input pins on every net."""
        found = np.zeros(self.netlist.nets)
        for (name, pin), nets in self._columns.items():
            if cells[name].pin(pin).direction == "input":
                np.add.at(found, nets[nets >= 0], cells[name].pin(pin).capacitance_pf)
        return found

    def evaluate(self, cells: dict[str, Cell], activity: Activity, conditions: Conditions) -> PowerResult:
        """Energy per cycle under `activity` with the tables of `cells` (one corner's)."""
        pin_pf = self.pin_loads_pf(cells)
        wire_pf = np.zeros(self.netlist.nets) if conditions.wire_pf is None else conditions.wire_pf
        load = pin_pf + wire_pf
        energy = np.zeros((len(self.netlist.instances), len(KINDS)))
        leakage = np.zeros(len(self.netlist.instances))
        inputs_pj = self._switching(cells, activity, conditions, pin_pf, wire_pf, energy)
        for name, indices in self._by_cell.items():
            cell, rows = cells[name], np.array(indices)
            ones = {pin: self._at(activity.ones, name, pin, 0.5) for pin in self._pins_of(name)}
            leakage[rows] = _leakage(cell, ones, len(rows))
            if cell.memory:
                energy[rows, KINDS.index("memories")] += _accesses(
                    cell, activity, indices, self._at(activity.toggles, name, "A_CLK", 2.0)
                )
            for pin_name in self._pins_of(name):
                pin = cell.pin(pin_name)
                if not pin.energy or (cell.memory and pin_name == "A_CLK"):
                    continue
                toggles = self._at(activity.toggles, name, pin_name, 0.0)
                loads = self._at(load, name, pin_name, 0.0) if pin.direction == "output" else np.zeros(len(rows))
                spent = toggles * self._per_toggle(name, pin.energy, ones, activity, loads, conditions.slew_ns, pin.direction)
                energy[rows, KINDS.index(self._kind(cell, name, pin_name))] += spent
        tree, count = conditions.tree, len(leakage)
        if tree is not None:
            energy[:, KINDS.index("clock")] += tree.spent_pj(cells, activity, conditions.voltage, conditions.slew_ns, count)
            leakage += tree.leakage_w(cells, count)
        return PowerResult(energy, inputs_pj, leakage)

    def _pins_of(self, cell: str) -> list[str]:
        return [pin for name, pin in self._columns if name == cell]

    def _at(self, values: np.ndarray, cell: str, pin: str, unconnected: float) -> np.ndarray:
        nets = self._columns[cell, pin]
        return np.where(nets >= 0, values[nets], unconnected)

    def _kind(self, cell: Cell, name: str, pin: str) -> str:
        """Where the energy of a pin's own toggles belongs: clock pins of registers to the clock."""
        nets = self._columns[name, pin]
        if cell.kind == "registers" and cell.pin(pin).direction == "input" and nets[0] >= 0 and self._clock[nets[0]]:
            return "clock"
        return cell.kind

    def _switching(self, cells, activity, conditions, pin_pf, wire_pf, energy) -> float:
        """Adds 1/2 C V^2 per toggle to the driver of each net, and of clock nets to their sinks. Returns what inputs drive."""
        per_net = 0.5 * (pin_pf + wire_pf) * conditions.voltage**2 * activity.toggles
        driven = np.zeros(self.netlist.nets, bool)
        for (name, pin), nets in self._columns.items():
            if cells[name].pin(pin).direction != "output":
                continue
            rows = np.array(self._by_cell[name])
            plain = (nets >= 0) & ~self._clock[nets]
            energy[rows[plain], KINDS.index(cells[name].kind)] += per_net[nets[plain]]
            driven[nets[nets >= 0]] = True
        share = np.divide(wire_pf, pin_pf, out=np.zeros_like(wire_pf), where=pin_pf > 0)
        for (name, pin), nets in self._columns.items():
            found = cells[name].pin(pin)
            if found.direction != "input":
                continue
            clocked = (nets >= 0) & self._clock[nets]
            at = nets[clocked]
            spent = 0.5 * found.capacitance_pf * (1 + share[at]) * conditions.voltage**2 * activity.toggles[at]
            energy[np.array(self._by_cell[name])[clocked], KINDS.index("clock")] += spent
        return float(per_net[~driven & ~self._clock].sum())

    def _per_toggle(self, name, groups, ones, activity, loads, slew_ns, direction) -> np.ndarray:
        """pJ per toggle of one pin on every instance of a cell, weighted over related pins and `when` groups."""
        by_related: dict[str, list[EnergyGroup]] = defaultdict(list)
        for group in groups:
            by_related[group.related].append(group)
        weights = {}
        for related in by_related:
            rates = [self._at(activity.toggles, name, pin, 0.0) for pin in related.split() if (name, pin) in self._columns]
            weights[related] = np.sum(rates, axis=0) if rates else np.zeros(len(loads))
        total = np.sum(list(weights.values()), axis=0)
        found = np.zeros(len(loads))
        for related, members in by_related.items():
            weight = np.where(total > 0, weights[related] / np.where(total > 0, total, 1), 1 / len(by_related))
            found += weight * _weigh_groups(members, ones, loads, slew_ns, certain=direction == "output")
        return found


def _chance(function, ones: dict[str, np.ndarray], size: int) -> np.ndarray:
    known = {pin: ones.get(pin, np.full(size, 0.5)) for pin in function.pins}
    return np.broadcast_to(function.probability(known), (size,))


def _weigh_groups(groups: list[EnergyGroup], ones, loads: np.ndarray, slew_ns: float, *, certain: bool) -> np.ndarray:
    """Mean over the groups. `certain`: the toggle proves that one of them holds (an output's), so they share all of it."""
    conditional = [group for group in groups if group.when is not None]
    always = [group for group in groups if group.when is None]
    total, found = np.zeros(len(loads)), np.zeros(len(loads))
    for group in conditional:
        chance = _chance(group.when, ones, len(loads))
        total = total + chance
        found = found + chance * group.per_toggle_pj(slew_ns, loads)
    over = np.maximum(total, 1.0)
    found, total = found / over, total / over
    if always:
        return found + (1 - total) * sum(group.per_toggle_pj(slew_ns, loads) for group in always)
    if certain:
        mean = np.mean([group.per_toggle_pj(slew_ns, loads) for group in conditional], axis=0)
        return np.where(total > 0, found / np.where(total > 0, total, 1), mean)
    return found


def _leakage(cell: Cell, ones: dict[str, np.ndarray], size: int) -> np.ndarray:
    total, found = np.zeros(size), np.zeros(size)
    for when, watt in cell.leakage_when:
        chance = _chance(when, ones, size)
        total, found = total + chance, found + chance * watt
    over = np.maximum(total, 1.0)
    return found / over + (1 - total / over) * cell.leakage_w


def access_pj(cell: Cell, *, write: bool) -> float:
    """Energy of one clock cycle of a memory macro with a read or a write: the clock pin's rise and fall in that state."""
    return _clock_pj(cell, {"A_MEN": 1, "A_WEN": int(write), "A_REN": int(not write)})


def _clock_pj(cell: Cell, state: dict[str, int]) -> float:
    groups = cell.pins["A_CLK"].energy
    held = [group for group in groups if group.when is not None and group.when.value(state)]
    held = held or [group for group in groups if group.when is None]
    return sum(2 * float(group.per_toggle_pj(SLEW_NS, np.zeros(1))[0]) for group in held)


def _accesses(cell: Cell, activity: Activity, indices: list[int], clock_toggles: np.ndarray) -> np.ndarray:
    """pJ per cycle of each macro: reads, writes, and a clock that moves (two toggles a cycle) while nothing is accessed."""
    reads, writes = (np.array([found.get(i, 0.0) for i in indices]) for found in (activity.reads, activity.writes))
    idle = _clock_pj(cell, {"A_MEN": 0, "A_WEN": 0, "A_REN": 0})
    return (
        reads * access_pj(cell, write=False)
        + writes * access_pj(cell, write=True)
        + (clock_toggles / 2 - reads - writes) * idle
    )
