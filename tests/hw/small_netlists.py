"""Netlists of a few cells, built in place."""

from hw.power.cells import Cell
from hw.power.netlist import Instance, Netlist


def make_netlist(
    cells: dict[str, Cell], ports: dict[str, tuple[str, list[str]]], instances: dict[str, tuple[str, dict[str, str]]]
) -> Netlist:
    """Nets by name, "0" and "1" the constants. instances: name -> (cell, pin -> net)."""
    names = ["0", "1"]

    def number(net: str) -> int:
        if net not in names:
            names.append(net)
        return names.index(net)

    numbered = {port: (direction, [number(net) for net in nets]) for port, (direction, nets) in ports.items()}
    made = [
        Instance(name, cells[cell], {pin: number(net) for pin, net in pins.items()}) for name, (cell, pins) in instances.items()
    ]
    return Netlist("top", made, numbered, names)
