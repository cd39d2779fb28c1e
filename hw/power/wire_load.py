"""Wire capacitance of every net from its fanout and the area of the block that encloses it, as Liberty's wire loads mean it."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from hw.power.netlist import Netlist

Points = Sequence[tuple[int, float]]
"""(sinks, pF), ascending."""
TOUR = 0.7124
"""Length of the shortest tour through n random points in an area A: TOUR * sqrt(n A) (Beardwood, Halton and Hammersley 1959;
the constant by experiment, Johnson, McGeoch and Rothberg 1996). Taken for a clock tree: an assumption (docs/power.md)."""
CLOCK_WIRE_FF_PER_UM = 0.2
"""An assumption: the usual rule of thumb for a wire among neighbours."""


def wire_capacitance_pf(fanouts: np.ndarray, points: Points) -> np.ndarray:
    """int [nets] sinks per net -> pF [nets]: linear between the points, 0 without sinks.

    Beyond the last point the length grows with the square root of the sinks, as that of a tree over a given area does:
    Liberty's slope is meant for the few sinks of a buffered net; a memory's address may have more here.
    """
    sinks, capacitances = (np.array(column, float) for column in zip(*points, strict=True))
    found = np.interp(fanouts, sinks, capacitances)
    found = np.where(fanouts < sinks[0], capacitances[0] * fanouts / sinks[0], found)
    return np.where(fanouts > sinks[-1], capacitances[-1] * np.sqrt(fanouts / sinks[-1]), found)


def enclosing_area_um2(netlist: Netlist, *, sinks_only: bool = False) -> np.ndarray:
    """By net: area of the smallest block of the hierarchy that holds everything on it (Liberty's mode "enclosed"), or
    all input pins on it."""
    area: dict[tuple[str, ...], float] = defaultdict(float)
    common: list[tuple[str, ...] | None] = [None] * netlist.nets
    for instance in netlist.instances:
        path = tuple(instance.name.split(".")[:-1])
        for depth in range(len(path) + 1):
            area[path[:depth]] += instance.cell.area_um2
        for pin, net in instance.pins.items():
            if sinks_only and instance.cell.pin(pin).direction != "input":
                continue
            shared = common[net]
            common[net] = path if shared is None else _shared(shared, path)
    for _, nets in [] if sinks_only else netlist.ports.values():
        for net in nets:
            common[net] = ()
    return np.array([area[path or ()] for path in common])


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return one[:length]


def wire_loads_pf(netlist: Netlist, clocks: Sequence[int], points_for: Callable[[float], Points]) -> np.ndarray:
    """pF [nets] by fanout and enclosing area; `points_for` gives the table of an area. Clock nets have none: their
    tree is built after synthesis, hw/power/clock_tree.py estimates it."""
    fanouts, areas = fanouts_of(netlist), enclosing_area_um2(netlist)
    found = np.zeros(netlist.nets)
    for area in np.unique(areas):
        chosen = areas == area
        found[chosen] = wire_capacitance_pf(fanouts[chosen], points_for(float(area)))
    found[list(clocks)] = 0
    return found


def fanouts_of(netlist: Netlist) -> np.ndarray:
    """Input pins per net."""
    fanouts = np.zeros(netlist.nets, np.int64)
    for instance in netlist.instances:
        for pin, net in instance.pins.items():
            fanouts[net] += instance.cell.pin(pin).direction == "input"
    return fanouts
