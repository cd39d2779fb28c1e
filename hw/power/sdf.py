"""Cell delays from a Standard Delay Format file, as the gate simulator takes them."""

import re
from pathlib import Path

import numpy as np

from hw.power.simulation_tables import Tables

_INSTANCE = re.compile(r"\(INSTANCE (\S+?)\)")
_PATH = re.compile(r"\(IOPATH (?:\(?(?:posedge|negedge) )?([^\s()]+)\)? (\S+) \(([^)]*)\)(?: \(([^)]*)\))?")
INPUT_PS = 250
"""When an input stream changes after the clock edge: about one register's delay."""
UNKNOWN_PS = 50

Delays = dict[str, dict[tuple[str, str], tuple[float, float]]]
"""Instance -> (input pin, output pin) -> (rise, fall) of the output in ps."""


def read_sdf(path: Path) -> Delays:
    """Delays without condition of every instance; minimum and maximum are averaged. The time unit must be 1 ns."""
    found: Delays = {}
    paths: dict[tuple[str, str], tuple[float, float]] = {}
    conditional = False
    with path.open() as lines:
        for line in lines:
            if instance := _INSTANCE.search(line):
                paths = found.setdefault(instance.group(1).replace("\\", ""), {})
            if "(COND " in line:
                conditional = True
            if match := _PATH.search(line):
                if not conditional:
                    paths.setdefault(
                        (match.group(1), match.group(2)), (_ps(match.group(3)), _ps(match.group(4) or match.group(3)))
                    )
                conditional = False
    return found


def _ps(triple: str) -> float:
    values = [float(part) for part in triple.split(":") if part]
    return 1000 * sum(values) / len(values) if values else 0.0


def delay_arrays(tables: Tables, delays: Delays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rise, fall) per operation input in the order of the tables, and per net the delay from the clock edge, -1 elsewhere."""
    instances = tables.netlist.instances
    rise, fall = [], []
    for operation in tables.operations:
        paths = delays.get(instances[operation.instance].name, {}) if operation.instance >= 0 else {}
        for pin in operation.pins:
            up, down = paths.get((pin, operation.pin), (UNKNOWN_PS, UNKNOWN_PS))
            rise.append(up)
            fall.append(down)
    source = np.full(tables.nets, -1.0)
    for _, nets in (port for port in tables.netlist.ports.values() if port[0] == "input"):
        source[nets] = INPUT_PS
    source[[domain.net for domain in tables.domains]] = -1
    for index in [flop[3] for domain in tables.domains for flop in domain.flops] + [index for index, _ in tables.macros]:
        instance = instances[index]
        paths = delays.get(instance.name, {})
        clock = instance.cell.register.clock.pin if instance.cell.register else "A_CLK"
        for pin, net in instance.pins.items():
            if instance.cell.pin(pin).direction == "output":
                source[net] = sum(paths.get((clock, pin), (INPUT_PS, INPUT_PS))) / 2
    return np.array(rise), np.array(fall), source
