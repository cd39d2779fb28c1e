"""Power: netlist, activity and Liberty tables to power at the real-time rate, per block, in three figures and every corner."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.block_names import block_of
from hw.flow.libraries import liberty_inputs, library_files, net_wires_pf, process_for, read_cells, used_macros
from hw.flow.step import Result, Step, say
from hw.flow.timing import OPENSTA
from hw.flow.tools import YOSYS
from hw.power.activity import Activity
from hw.power.engine import KINDS, SLEW_NS, Conditions, PowerEngine
from hw.power.glitches import factor_by_net, logic_nets
from hw.power.netlist import read_netlist
from hw.power.wire_load import clock_tree_pf
from hw.rtl.emit import TOP
from hw.targets.process import HEADLINE_CORNER, Process

FIGURES = ("low", "mid", "high")
"""Without glitches and wires; with glitches; with glitches and the wire load: the headline."""
HEATING_DEGC_PER_MW, HEATING_BUDGET_DEGC = 0.029, 1.0
"""Heating of cortex by a Utah array (Kim, Tathireddy, Normann and Solzbacher, IEEE TNSRE 15(4), 2007); the budget is ours."""


@dataclass(frozen=True)
class RealTime:
    """Power in uW at the real-time rate: dynamic [instances, kinds], leakage [instances], and the parts it came from."""

    dynamic_uw: np.ndarray
    leakage_uw: np.ndarray
    inputs_uw: float
    idle_uw: float
    """With the clock running and no samples, leakage included."""
    energy_per_decision_nj: float
    """What a decision takes above idling: power = energy_per_decision x decisions per second + idle."""

    @property
    def total_uw(self) -> float:
        return float(self.dynamic_uw.sum() + self.leakage_uw.sum()) + self.inputs_uw


@dataclass(frozen=True)
class Load:
    """How busy the decoder is. Times in cycles."""

    clock_hz: float
    decisions_per_s: float
    cycles_per_decision: float

    @property
    def duty(self) -> float:
        """Share of the time in which it decodes."""
        return min(1.0, self.cycles_per_decision * self.decisions_per_s / self.clock_hz)


def real_time(
    engine: PowerEngine, cells: dict, active: Activity, idle: Activity, conditions: Conditions, load: Load
) -> RealTime:
    """Decoding for `load.duty` of the time, idling for the rest."""
    busy, still = engine.evaluate(cells, active, conditions), engine.evaluate(cells, idle, conditions)
    uw = load.clock_hz * 1e-6
    idle_uw = still.total_uw(load.clock_hz)
    above_idle_uw = (busy.total_uw(load.clock_hz) - idle_uw) * load.duty
    return RealTime(
        dynamic_uw=(busy.energy_pj * load.duty + still.energy_pj * (1 - load.duty)) * uw,
        leakage_uw=(busy.leakage_w * load.duty + still.leakage_w * (1 - load.duty)) * 1e6,
        inputs_uw=(busy.inputs_pj * load.duty + still.inputs_pj * (1 - load.duty)) * uw,
        idle_uw=idle_uw,
        energy_per_decision_nj=above_idle_uw / load.decisions_per_s * 1e3,
    )


class Power(Step):
    """The Liberty power engine on the activity of real samples."""

    name = "power"
    needs = (Kind.NETLIST_JSON, Kind.ACTIVITY)
    makes = (Kind.POWER,)

    def outside(self, design: Design) -> tuple[Path, ...]:
        return liberty_inputs(design)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        process = process_for(design)
        macros = used_macros(process, files[Kind.NETLIST_JSON])
        cells = {name: read_cells(library_files(process, name, macros, folder)) for name in process.corners}
        netlist = read_netlist(files[Kind.NETLIST_JSON], cells[HEADLINE_CORNER], TOP)
        facts = json.loads((files[Kind.ACTIVITY] / "activity.json").read_text())
        active, idle = (Activity.load(files[Kind.ACTIVITY] / f"{part}.npz") for part in ("active", "idle"))
        blocks = [block_of(instance.name) for instance in netlist.instances]
        factors = factor_by_net(facts["glitch"]["factors"], logic_nets(netlist, blocks))
        wires_pf = net_wires_pf(netlist, facts["clock_nets"], process)
        load = Load(design.hardware.clock_khz * 1e3, design.decisions_per_s, facts["cycles_per_decision"])
        engine = PowerEngine(netlist, facts["clock_nets"])

        def figure(name: str, corner: str) -> RealTime:
            say(f"{name} figure, {process.corners[corner].label}")
            conditions = Conditions(process.corners[corner].voltage, wires_pf if name == "high" else None)
            return real_time(engine, cells[corner], active if name == "low" else active.scaled(factors), idle, conditions, load)

        figures = {name: figure(name, HEADLINE_CORNER) for name in FIGURES}
        corners = {name: figure("high", name) for name in process.corners if name != HEADLINE_CORNER}
        by_block = {name: _by_block(found, blocks) for name, found in figures.items()}
        tree_pj = clock_tree_pf(netlist, facts["clock_nets"]) * process.typical.voltage**2 / 2
        tree_parts = [float((tree_pj * found.toggles).sum()) * load.clock_hz * 1e-6 for found in (active, idle)]
        tree_uw = tree_parts[0] * load.duty + tree_parts[1] * (1 - load.duty)
        area_mm2 = (netlist.cell_area_um2 + netlist.macro_area_um2) / 1e6
        (folder / "power.json").write_text(
            json.dumps(_summary(process, load, figures, corners, by_block, facts), indent=1) + "\n"
        )
        metrics = _metrics(process, design, facts, figures, corners, by_block, area_mm2, tree_uw)
        heating = figures["high"].total_uw / 1e3 * HEATING_DEGC_PER_MW
        failures: tuple[str, ...] = ()
        if heating > HEATING_BUDGET_DEGC:
            failures = (
                f"{design.name}: {figures['high'].total_uw / 1e3:.1f} mW would heat the cortex by {heating:.2f} degC; "
                f"{HEATING_BUDGET_DEGC:g} degC is the budget",
            )
        return Result({Kind.POWER: folder / "power.json"}, metrics, failures)


def _by_block(found: RealTime, blocks: list[str]) -> dict[str, dict[str, float]]:
    """Block -> uW by kind and leakage; what the inputs' drivers spend is in block "top"."""
    table: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys((*KINDS, "leakage"), 0.0))
    for block, dynamic, leakage in zip(blocks, found.dynamic_uw, found.leakage_uw, strict=True):
        row = table[block]
        for kind, value in zip(KINDS, dynamic, strict=True):
            row[kind] += float(value)
        row["leakage"] += float(leakage)
    table["top"]["logic"] += found.inputs_uw
    return dict(sorted(table.items(), key=lambda item: -sum(item[1].values())))


def _summary(process: Process, load: Load, figures, corners, by_block, facts) -> dict:
    return {
        "target": process.name,
        "corner": process.typical.label,
        "memory_model": process.memory_model,
        "duty": load.duty,
        "activity": {key: facts[key] for key in ("source", "decisions", "signal_s", "cycles_per_decision", "glitch")},
        "figures": {
            name: {
                "total_uw": found.total_uw,
                "idle_uw": found.idle_uw,
                "energy_per_decision_nj": found.energy_per_decision_nj,
                "blocks": by_block[name],
            }
            for name, found in figures.items()
        },
        "corners": {process.corners[name].label: found.total_uw for name, found in corners.items()},
    }


def _metrics(process, design, facts, figures, corners, by_block, area_mm2: float, tree_uw: float) -> tuple[Metric, ...]:
    high = figures["high"]
    clock = f"{design.hardware.clock_khz} kHz"
    activity = f"gate level, {facts['signal_s']:g} s of signal ({facts['decisions']} decisions) of {facts['source']}"
    tools = f"Liberty power engine on a Yosys {YOSYS.version()} netlist, OpenSTA {OPENSTA.version()} delays, slew {SLEW_NS} ns"
    model = f"; {process.memory_model}" if process.memory_model else ""
    what = {
        "low": "no glitches, no wires",
        "mid": "with glitches, no wires",
        "high": "with glitches and wire loads, no clock tree",
    }

    def origin(figure: str, label: str = process.typical.label) -> str:
        return f"{label}, {clock}, real-time rate, {what[figure]}; {activity}; {tools}{model}"

    def uw(name: str, value: float, text: str, better: str = "lower") -> Metric:
        return Metric(name, round(value, 4), "uW", better, text)

    found = [uw("power__total_uw", high.total_uw, origin("high"))]
    found += [uw(f"power__total_{name}_uw", figures[name].total_uw, origin(name)) for name in ("low", "mid")]
    found += [
        uw(f"power__total_{name}_uw", corner.total_uw, origin("high", process.corners[name].label))
        for name, corner in corners.items()
    ]
    for index, kind in enumerate(KINDS):
        found.append(uw(f"power__total_{kind}_uw", float(high.dynamic_uw[:, index].sum()), f"{origin('high')}; dynamic"))
    found.append(uw("power__leakage_uw", float(high.leakage_uw.sum()), f"by state; {origin('high')}"))
    found.append(uw("power__idle_uw", high.idle_uw, f"clock running, no samples, leakage included; {origin('high')}"))
    for figure in FIGURES:
        end = "" if figure == "high" else f"_{figure}"
        found += [uw(f"power__{block}{end}_uw", sum(row.values()), origin(figure)) for block, row in by_block[figure].items()]
    nj = high.energy_per_decision_nj
    found.append(Metric("energy_per_decision_nj", round(nj, 3), "nJ", "lower", f"above idling; {origin('high')}"))
    tree = "wires of a clock tree, in no figure: 0.71 sqrt(sinks x area) of wire at an assumed 0.2 fF/um, without its buffers"
    found.append(
        Metric("clock_tree_estimate_uw", round(tree_uw, 4), "uW", "lower", f"{tree}; {process.typical.label}, {clock}")
    )
    milliwatt = high.total_uw / 1e3
    found += [
        Metric(
            "power_density_mw_per_mm2",
            round(milliwatt / area_mm2, 6),
            "mW/mm2",
            "lower",
            f"cells and memories; {origin('high')}",
        ),
        Metric(
            "tissue_heating_degc",
            round(milliwatt * HEATING_DEGC_PER_MW, 6),
            "degC",
            "lower",
            f"{HEATING_DEGC_PER_MW} degC/mW for a cortical array, budget {HEATING_BUDGET_DEGC:g} degC, decoder alone",
        ),
    ]
    return tuple(found)
