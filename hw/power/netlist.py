"""A flat gate-level netlist: Yosys' JSON -> instances of library cells on numbered nets."""

import json
from dataclasses import dataclass
from pathlib import Path

from hw.power.cells import Cell

ZERO, ONE = 0, 1
"""Nets of the constants."""


class NetlistError(ValueError):
    """A netlist that cannot be analysed; the message names the instance or net."""


@dataclass(frozen=True)
class Instance:
    """`pins`: pin name, `A_ADDR[3]` for bits of a bus, -> net number."""

    name: str
    cell: Cell
    pins: dict[str, int]


@dataclass
class Netlist:
    top: str
    instances: list[Instance]
    ports: dict[str, tuple[str, list[int]]]
    """Name -> ("input" or "output", nets from bit 0)."""
    net_names: list[str]
    """By net number; the shortest of a net's names."""

    @property
    def nets(self) -> int:
        return len(self.net_names)

    @property
    def cell_area_um2(self) -> float:
        """Standard cells alone."""
        return sum(i.cell.area_um2 for i in self.instances if not i.cell.memory)

    @property
    def macro_area_um2(self) -> float:
        return sum(i.cell.area_um2 for i in self.instances if i.cell.memory)

    def drivers(self) -> list[tuple[int, str] | None]:
        """By net number: (instance index, pin) that drives it; None for constants, input ports and undriven nets."""
        found: list[tuple[int, str] | None] = [None] * self.nets
        for index, instance in enumerate(self.instances):
            for pin, net in instance.pins.items():
                if instance.cell.pin(pin).direction == "output":
                    found[net] = (index, pin)
        return found


def read_netlist(path: Path, cells: dict[str, Cell], top: str) -> Netlist:
    """Read a flat `write_json` netlist. NetlistError names an unknown cell or a net without a driver."""
    modules = json.loads(path.read_text())["modules"]
    if top not in modules:
        raise NetlistError(f"{path.name}: has no module {top}; its modules are {', '.join(modules)}")
    module = modules[top]
    numbers: dict[int | str, int] = {"0": ZERO, "1": ONE, "x": ZERO, "z": ZERO}
    names = ["constant 0", "constant 1"]

    def number(bit: int | str) -> int:
        if bit not in numbers:
            numbers[bit] = len(names)
            names.append("")
        return numbers[bit]

    ports = {name: (port["direction"], [number(bit) for bit in port["bits"]]) for name, port in module["ports"].items()}
    instances = []
    for name, found in module["cells"].items():
        cell = cells.get(found["type"])
        if cell is None:
            raise NetlistError(f"{top}: {name} is a {found['type']}, which the target's libraries do not have")
        pins = {}
        for pin, bits in found["connections"].items():
            if len(bits) == 1 and pin in cell.pins and not (cell.memory and _is_bus(cell, pin)):
                pins[pin] = number(bits[0])
            else:
                pins |= {f"{pin}[{place}]": number(bit) for place, bit in enumerate(bits)}
        instances.append(Instance(name, cell, pins))
    for name, entry in module["netnames"].items():
        for place, bit in enumerate(entry["bits"]):
            if bit in numbers:
                full = f"{name}[{place}]" if len(entry["bits"]) > 1 else name
                if not names[numbers[bit]] or len(full) < len(names[numbers[bit]]):
                    names[numbers[bit]] = full
    netlist = Netlist(top, instances, ports, names)
    _require_drivers(netlist)
    return netlist


def _is_bus(cell: Cell, pin: str) -> bool:
    return pin.endswith(("ADDR", "DIN", "DOUT", "BM"))


def _require_drivers(netlist: Netlist) -> None:
    driven = {ZERO, ONE} | {net for direction, nets in netlist.ports.values() if direction == "input" for net in nets}
    driven |= {net for net, driver in enumerate(netlist.drivers()) if driver is not None}
    for instance in netlist.instances:
        for pin, net in instance.pins.items():
            if net not in driven:
                raise NetlistError(
                    f"{netlist.top}: {instance.name} pin {pin} is connected to {netlist.net_names[net]}, "
                    "which nothing drives; synthesize again and look at synthesize.log"
                )
