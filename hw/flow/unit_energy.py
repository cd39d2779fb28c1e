"""Energy per operation of units by themselves: synthesized, timed, fed with operands, checked, and weighed like any netlist."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from amaranth.lib import wiring

from hw.flow.block_names import block_of
from hw.flow.libraries import library_files, net_wires_pf, read_cells
from hw.flow.step import CheckFailed, say
from hw.flow.synthesize import synthesize
from hw.flow.timing import analyse_timing
from hw.power.activity import Activity, to_activity
from hw.power.engine import Conditions, PowerEngine
from hw.power.gate_simulator import LANES, GateSimulator, StreamPorts
from hw.power.glitches import factor_by_net, glitch_factors, logic_nets
from hw.power.netlist import Netlist, read_netlist
from hw.power.sdf import delay_arrays, read_sdf
from hw.power.simulation_tables import Tables, build_tables
from hw.power.wire_load import fanouts_of, wire_capacitance_pf
from hw.reference.unit_bench import READY, UnitBench
from hw.rtl.emit import CLOCK, emit_component
from hw.targets.process import HEADLINE_CORNER, Process

FIGURES = ("low", "mid", "high")
"""Without glitches and wires, with glitches, with both; none with a clock tree: such units have hardly a clock."""
TOP = "units"
DELAYED_CYCLES = 1500
TIMING_KHZ = 1000
"""Any clock: delays do not depend on it."""


@dataclass(frozen=True)
class UnitEnergy:
    """pj: figure of FIGURES -> dynamic energy of one operation, its inputs' nets included; leakage at the typical
    corner, states as they came; area."""

    pj: Mapping[str, float]
    leakage_nw: float
    area_um2: float


@dataclass(frozen=True)
class Feed:
    """A unit and what it gets: port -> int64 [LANES, steps], output port -> int64 [LANES, steps] that it must give.

    Outputs are compared bit by bit, `latency_cycles` of the unit later.
    """

    unit: wiring.Component
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]

    @property
    def steps(self) -> int:
        return next(iter(self.inputs.values())).shape[1]


def measure_units(feeds: Mapping[str, Feed], process: Process, folder: Path) -> dict[str, UnitEnergy]:
    """Unit -> its energy per operation on `process`. Raises CheckFailed where a unit's netlist gives anything but `outputs`.

    Zero-delay activity in figure low; with glitches, sampled with cell delays, in mid; with wire loads as well in high. Units
    share a netlist and nothing else: a net between a port and a unit is as long as in a netlist of that unit alone.
    """
    verilog, *_ = emit_component(UnitBench({name: feed.unit for name, feed in feeds.items()}), TOP, folder / "verilog")
    say(f"synthesizing {len(feeds)} units")
    # a unit works in every cycle: what would stop its clock is no part of it
    synthesize([verilog], TOP, replace(process, clock_gate=None), folder)
    cells = read_cells(library_files(process, HEADLINE_CORNER, [], folder))
    netlist = read_netlist(folder / "netlist.json", cells, TOP)
    typical = replace(process, corners={HEADLINE_CORNER: process.typical})
    analyse_timing(netlist, typical, [], TIMING_KHZ, CLOCK, folder)
    tables = build_tables(netlist, CLOCK)
    say("simulating")
    cycles = max(feed.steps + getattr(feed.unit, "latency_cycles", 0) for feed in feeds.values())
    simulator, activity = _simulated(tables, feeds, cycles, folder)
    blocks = [block_of(instance.name) for instance in netlist.instances]
    logic = logic_nets(netlist, blocks)
    own = {name: np.array([block == name for block in blocks], bool) for name in feeds}
    areas = {name: _area_um2(netlist, rows) for name, rows in own.items()}
    engine, wires_pf = PowerEngine(netlist, tables.clock_nets), _wires_pf(netlist, tables.clock_nets, process, areas)
    delayed, settled, _ = simulator.delayed_counts()
    factors = glitch_factors(delayed, settled, engine.pin_loads_pf(cells) + wires_pf, logic)
    glitching = activity.scaled(factor_by_net(factors, logic))
    found = {}
    for name, feed in feeds.items():
        rows, pj = own[name], {}
        for figure in FIGURES:
            alone = _only(activity if figure == "low" else glitching, netlist, rows, name, tables.clock_nets)
            conditions = Conditions(process.typical.voltage, wires_pf if figure == "high" else None)
            result = engine.evaluate(cells, alone, conditions)
            pj[figure] = (float(result.energy_pj[rows].sum()) + result.inputs_pj) * activity.cycles / feed.steps
        leakage_w = float(result.leakage_w[rows].sum())
        found[name] = UnitEnergy(pj, leakage_w * 1e9, areas[name])
    return found


def _area_um2(netlist: Netlist, rows: np.ndarray) -> float:
    return float(sum(instance.cell.area_um2 for instance, chosen in zip(netlist.instances, rows, strict=True) if chosen))


def _wires_pf(netlist: Netlist, clocks: list[int], process: Process, areas: Mapping[str, float]) -> np.ndarray:
    """By net; one at a port of a unit by the area of that unit, not by that of all together."""
    found, fanouts = net_wires_pf(netlist, clocks, process), fanouts_of(netlist)
    for name, area in areas.items():
        nets = _port_nets(netlist, name)
        found[nets] = wire_capacitance_pf(fanouts[nets], process.wire_load(area).fanout_pf)
    return found


def _port_nets(netlist: Netlist, unit: str) -> list[int]:
    return [net for port, (_, nets) in netlist.ports.items() if port.startswith(f"{unit}_") for net in nets]


def _simulated(tables: Tables, feeds: Mapping[str, Feed], cycles: int, folder: Path) -> tuple[GateSimulator, Activity]:
    """All feeds side by side, a value per cycle; a unit stands still when its own are through. Outputs are checked."""
    nets = {name: tuple(port[1]) for name, port in tables.netlist.ports.items()}
    ready = nets[READY][0]
    inputs = [(f"{unit}_{port}", values) for unit, feed in feeds.items() for port, values in feed.inputs.items()]
    outputs = [(unit, port, values) for unit, feed in feeds.items() for port, values in feed.outputs.items()]
    streams = [StreamPorts(True, nets[name], nets[f"{name}_valid"][0], ready) for name, _ in inputs]
    streams += [StreamPorts(False, nets[f"{unit}_{port}"], ready, ready) for unit, port, _ in outputs]
    simulator = GateSimulator(tables, tuple(streams), seed=1, taken_capacity=cycles)
    simulator.set_delays(*delay_arrays(tables, read_sdf(folder / f"cells_{HEADLINE_CORNER}.sdf")))
    simulator.drive(nets["rst"][0], 0)
    for stream, (_, values) in enumerate(inputs):
        simulator.feed(stream, values)
    simulator.take_counts()
    simulator.run(cycles, sample_every=max(1, cycles // DELAYED_CYCLES))
    for stream, (unit, port, wanted) in enumerate(outputs, start=len(inputs)):
        late = getattr(feeds[unit].unit, "latency_cycles", 0)
        taken = np.stack(simulator.taken(stream))[:, late : late + wanted.shape[1]]
        mask = np.int64((1 << len(nets[f"{unit}_{port}"])) - 1)
        if not np.array_equal(taken & mask, wanted & mask):
            lane, step = np.argwhere((taken & mask) != (wanted & mask))[0]
            found = f"{taken[lane, step]}, not {wanted[lane, step]}"
            raise CheckFailed(f"{unit}: {port} of operation {step} in lane {lane} is {found}")
    return simulator, to_activity(simulator.take_counts(), tables, LANES)


def _only(activity: Activity, netlist: Netlist, rows: np.ndarray, unit: str, clocks: list[int]) -> Activity:
    """The same with toggles on nothing but the nets of one unit, and the clock."""
    own = np.zeros(netlist.nets, bool)
    own[clocks] = True
    for instance, chosen in zip(netlist.instances, rows, strict=True):
        if chosen:
            own[list(instance.pins.values())] = True
    own[_port_nets(netlist, unit)] = True
    return replace(activity, toggles=np.where(own, activity.toggles, 0.0))
