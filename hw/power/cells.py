"""Cells of a Liberty library with their meaning: pins, functions, energy tables, leakage, registers, clock gates, memories."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hw.power.cell_functions import Function, FunctionError, parse_function
from hw.power.liberty import Group, LibertyError, read_liberty

LEAKAGE_UNITS_W = {
    "1pw": 1e-12,
    "10pw": 1e-11,
    "100pw": 1e-10,
    "1nw": 1e-9,
    "10nw": 1e-8,
    "100nw": 1e-7,
    "1uw": 1e-6,
    "1mw": 1e-3,
}


@dataclass(frozen=True)
class Table:
    """Energy in pJ over (slew in ns, load in pF); an axis of length 1 is constant."""

    slews: np.ndarray
    loads: np.ndarray
    values: np.ndarray
    """[slews, loads]."""

    def at(self, slew_ns: float, load_pf: np.ndarray) -> np.ndarray:
        """Bilinear; held at the outermost entries beyond the axes."""
        row = self.values[0]
        if len(self.slews) > 1:
            high = int(np.clip(np.searchsorted(self.slews, slew_ns), 1, len(self.slews) - 1))
            low_slew, high_slew = self.slews[high - 1], self.slews[high]
            part = float(np.clip((slew_ns - low_slew) / (high_slew - low_slew), 0, 1))
            row = self.values[high - 1] * (1 - part) + self.values[high] * part
        return np.interp(load_pf, self.loads, row) if len(self.loads) > 1 else np.full(np.shape(load_pf), row[0])


@dataclass(frozen=True)
class EnergyGroup:
    """One internal_power group of a pin. `related`: the input whose change it belongs to, "" for the pin itself."""

    related: str
    when: Function | None
    rise: Table | None
    fall: Table | None

    def per_toggle_pj(self, slew_ns: float, load_pf: np.ndarray) -> np.ndarray:
        """Half of a rise and a fall: the energy of one toggle on average."""
        total = np.zeros(np.shape(load_pf))
        for table in (self.rise, self.fall):
            if table is not None:
                total = total + table.at(slew_ns, load_pf)
        return total / 2


@dataclass
class Pin:
    name: str
    direction: str
    capacitance_pf: float
    function: Function | None = None
    energy: list[EnergyGroup] = field(default_factory=list)
    is_clock: bool = False
    tristate: bool = False


@dataclass(frozen=True)
class Register:
    """`state` takes `next_state` at the rising edge of pin `clock`; an asynchronous pin is active when its function is 1."""

    state: str
    inverse: str
    next_state: Function
    clock: Function
    clear: Function | None
    preset: Function | None


@dataclass(frozen=True)
class ClockGate:
    clock: str
    enable: str
    test: str
    output: str


@dataclass
class Cell:
    name: str
    area_um2: float
    leakage_w: float
    leakage_when: list[tuple[Function, float]]
    pins: dict[str, Pin]
    register: Register | None = None
    clock_gate: ClockGate | None = None
    is_latch: bool = False
    memory: tuple[int, int] | None = None
    """(address bits, word bits) of a memory macro."""

    def pin(self, name: str) -> Pin:
        """Pin `A_ADDR[3]`, or the bus pin `A_ADDR` it belongs to."""
        return self.pins[name] if name in self.pins else self.pins[name.split("[")[0]]

    @property
    def kind(self) -> str:
        """ "memories", "clock" (gates), "registers" or "logic"."""
        if self.memory:
            return "memories"
        return "clock" if self.clock_gate else "registers" if self.register else "logic"


@dataclass
class Library:
    name: str
    path: Path
    voltage: float
    temperature: float
    cells: dict[str, Cell]
    source: Group
    """The parsed file, for what is not a cell (wire loads)."""


def read_library(path: Path) -> Library:
    """Read and check: a library without cells or without power tables raises LibertyError with one line."""
    source = read_liberty(path)
    try:
        cells = {group.name: _cell(group, source) for group in source.all("cell")}
    except (ValueError, KeyError, IndexError) as error:
        if isinstance(error, LibertyError):
            raise
        raise LibertyError(f"{path.name}: a cell cannot be understood ({error})") from error
    if not cells:
        raise LibertyError(f"{path.name}: has no cells; give the Liberty file of a standard-cell library")
    if not any(pin.energy for cell in cells.values() for pin in cell.pins.values()):
        raise LibertyError(
            f"{path.name}: has no power tables (internal_power groups), so no power can be worked out; "
            "use a Liberty file characterised for power"
        )
    return Library(source.name, path, source.number("nom_voltage", 1.0), source.number("nom_temperature", 25.0), cells, source)


def energy_unit_pj(library: Group) -> float:
    """Liberty's implicit energy unit, capacitance x voltage squared, in pJ (voltage unit 1 V assumed and checked)."""
    if library.get("voltage_unit", "1V") not in ("1V", "1v"):
        raise LibertyError(f"{library.name}: voltage_unit {library.get('voltage_unit')} is not supported; 1V is")
    return capacitance_unit_pf(library)


def capacitance_unit_pf(library: Group) -> float:
    amount, unit = library.complex.get("capacitive_load_unit", [("1", "pf")])[-1]
    return float(amount) * {"pf": 1.0, "ff": 1e-3}[unit.lower()]


def time_unit_ns(library: Group) -> float:
    return {"1ns": 1.0, "100ps": 0.1, "10ps": 0.01, "1ps": 0.001}[library.get("time_unit", "1ns").lower()]


def _cell(group: Group, library: Group) -> Cell:
    leakage_unit = LEAKAGE_UNITS_W[library.get("leakage_power_unit", "1nW").lower()]
    leakage_when = [
        (parse_function(state.get("when")), state.number("value") * leakage_unit)
        for state in group.all("leakage_power")
        if state.get("when")
    ]
    always = [state.number("value") for state in group.all("leakage_power") if not state.get("when")]
    mean = float(np.mean([watt for _, watt in leakage_when])) / leakage_unit if leakage_when else 0.0
    leakage = group.number("cell_leakage_power", always[0] if always else mean) * leakage_unit
    memory = group.first("memory")
    cell = Cell(
        name=group.name,
        area_um2=group.number("area"),
        leakage_w=leakage,
        leakage_when=leakage_when,
        pins={pin.name: pin for pin in _pins(group, library)},
        is_latch=group.first("latch") is not None,
        memory=(int(memory.number("address_width")), int(memory.number("word_width"))) if memory else None,
    )
    cell.register = _register(group)
    cell.clock_gate = _clock_gate(group)
    return cell


def _pins(cell: Group, library: Group) -> Iterator[Pin]:
    for group in cell.groups:
        if group.kind == "pin":
            for name in group.args:
                yield _pin(name, group, library)
        elif group.kind == "bus":
            bus = _pin(group.name, group, library)
            for bit in group.all("pin"):
                inner = _pin(bit.name, bit, library)
                bus.energy += inner.energy
                if re.search(r"\[\d+\]$", bit.name):
                    inner.direction, inner.energy = bus.direction, bus.energy
                    yield inner
            yield bus


def _pin(name: str, group: Group, library: Group) -> Pin:
    function = group.get("function")
    try:
        parsed = parse_function(function) if function else None
        energy = [_energy_group(power, library) for power in group.all("internal_power")]
    except FunctionError as error:
        raise LibertyError(f"{library.name}: pin {name}: {error}") from error
    return Pin(
        name=name,
        direction=group.get("direction", "input"),
        capacitance_pf=group.number("capacitance") * capacitance_unit_pf(library),
        function=parsed,
        energy=energy,
        is_clock=group.get("clock") == "true",
        tristate="three_state" in group.attributes,
    )


def _energy_group(group: Group, library: Group) -> EnergyGroup:
    when = parse_function(group.get("when")) if group.get("when") else None
    both = group.first("power")
    rise, fall = group.first("rise_power") or both, group.first("fall_power") or both
    tables = [None if part is None else _table(part, library) for part in (rise, fall)]
    return EnergyGroup(group.get("related_pin"), when, *tables)


def _numbers(texts: tuple[str, ...]) -> np.ndarray:
    return np.array([float(number) for text in texts for number in text.replace("\\", " ").replace(",", " ").split()])


def _table(group: Group, library: Group) -> Table:
    template = next((g for g in library.all("power_lut_template") if g.name == group.name), None)
    axes = {}
    for axis in ("1", "2"):
        variable = template.get(f"variable_{axis}") if template else ""
        texts = group.complex.get(f"index_{axis}") or (template and template.complex.get(f"index_{axis}"))
        if texts and variable:
            axes["load" if "cap" in variable else "slew"] = (axis, _numbers(texts[-1]))
    values = _numbers(group.complex["values"][-1]) * energy_unit_pj(library)
    slews = axes["slew"][1] * time_unit_ns(library) if "slew" in axes else np.zeros(1)
    loads = axes["load"][1] * capacitance_unit_pf(library) if "load" in axes else np.zeros(1)
    if len(axes) == 2 and axes["load"][0] == "1":
        values = values.reshape(len(loads), len(slews)).T
    return Table(slews, loads, values.reshape(len(slews), len(loads)))


def _register(group: Group) -> Register | None:
    ff = group.first("ff")
    if ff is None:
        return None
    optional = {name: parse_function(ff.get(name)) if ff.get(name) else None for name in ("clear", "preset")}
    return Register(
        state=ff.args[0],
        inverse=ff.args[1] if len(ff.args) > 1 else "",
        next_state=parse_function(ff.get("next_state")),
        clock=parse_function(ff.get("clocked_on")),
        **optional,
    )


def _clock_gate(group: Group) -> ClockGate | None:
    if "clock_gating_integrated_cell" not in group.attributes:
        return None
    roles = {}
    for pin in group.all("pin"):
        for role in ("clock_gate_clock_pin", "clock_gate_enable_pin", "clock_gate_test_pin", "clock_gate_out_pin"):
            if pin.get(role) == "true":
                roles[role.split("_")[2]] = pin.name
    return ClockGate(roles["clock"], roles["enable"], roles.get("test", ""), roles["out"])
