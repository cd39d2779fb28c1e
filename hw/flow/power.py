"""Power: netlist, activity and Liberty tables to power per block, in every figure, corner and condition."""

import json
from dataclasses import dataclass
from pathlib import Path

from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.block_names import block_of
from hw.flow.libraries import liberty_inputs, library_files, net_wires_pf, process_for, read_cells, used_macros
from hw.flow.power_metrics import Estimate, OtherClock, power_metrics
from hw.flow.step import Result, Step, say
from hw.power.activity import Activity
from hw.power.cells import Cell
from hw.power.clock_tree import plan_clock_tree
from hw.power.engine import SLEW_NS, Conditions, PowerEngine
from hw.power.glitches import factor_by_net, logic_nets
from hw.power.netlist import Netlist, read_netlist
from hw.power.placed_area import placed_um2
from hw.power.real_time import Load, RealTime, by_block, real_time
from hw.rtl.emit import TOP
from hw.targets.process import HEADLINE_CORNER, Process

CLOCK_FACTORS = (0.5, 1.0, 2.0)
"""Clocks at which the power is told, relative to the design's."""


class Power(Step):
    """The Liberty power engine on the activity of real samples and of noise."""

    name = "power"
    needs = (Kind.NETLIST_JSON, Kind.ACTIVITY, Kind.TIMING)
    makes = (Kind.POWER,)

    def outside(self, design: Design) -> tuple[Path, ...]:
        return liberty_inputs(design)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        process = process_for(design)
        macros = used_macros(process, files[Kind.NETLIST_JSON])
        cells = {name: read_cells(library_files(process, name, macros, folder)) for name in process.corners}
        netlist = read_netlist(files[Kind.NETLIST_JSON], cells[HEADLINE_CORNER], TOP)
        fmax_mhz = min(corner["fmax_mhz"] for corner in json.loads(files[Kind.TIMING].read_text()).values())
        found = estimate(design, process, netlist, cells, files[Kind.ACTIVITY], fmax_mhz)
        (folder / "power.json").write_text(json.dumps(summary(process, found), indent=1) + "\n")
        metrics, failures = power_metrics(design, process, found)
        return Result({Kind.POWER: folder / "power.json"}, metrics, failures)


@dataclass(frozen=True)
class _Case:
    """A netlist with its activities, ready to be evaluated: what all figures, corners and conditions share."""

    engine: PowerEngine
    process: Process
    cells: dict[str, dict[str, Cell]]
    conditions: dict[str, Conditions]
    """By figure, in the typical corner."""
    still: Activity

    def evaluate(self, figure: str, active: Activity, load: Load, corner: str = HEADLINE_CORNER) -> RealTime:
        found = self.process.corners[corner]
        say(f"{figure} figure, {found.label}")
        given = self.conditions[figure]
        conditions = Conditions(found.voltage, given.wire_pf, given.slew_ns, given.tree)
        return real_time(self.engine, self.cells[corner], active, self.still, conditions, load)


def estimate(
    design: Design, process: Process, netlist: Netlist, cells: dict[str, dict[str, Cell]], activity: Path, fmax_mhz: float
) -> Estimate:
    """All figures, corners and conditions of a netlist. `cells`: of every corner; `activity`: the folder that Activity makes;
    `fmax_mhz`: of the slowest corner."""
    facts = json.loads((activity / "activity.json").read_text())
    clocks = facts["clock_nets"]
    blocks = [block_of(instance.name) for instance in netlist.instances]
    owners = logic_nets(netlist, blocks)
    tree = plan_clock_tree(netlist, clocks, cells[HEADLINE_CORNER], SLEW_NS)
    volt, wires_pf = process.typical.voltage, net_wires_pf(netlist, clocks, process)
    without = Conditions(volt)
    conditions = {
        "low": without,
        "mid": without,
        "no_tree": Conditions(volt, wires_pf),
        "high": Conditions(volt, wires_pf, tree=tree),
    }
    case = _Case(PowerEngine(netlist, clocks), process, cells, conditions, Activity.load(activity / "idle.npz"))

    def glitching(name: str, factors: dict[str, float]) -> Activity:
        return Activity.load(activity / f"{name}.npz").scaled(factor_by_net(factors, owners))

    quiet = Activity.load(activity / "active.npz")
    active = glitching("active", facts["glitch"]["factors"])
    loud_factors = facts["noise"]["glitch"]["factors"]
    rate = design.decisions_per_s
    load = Load(design.hardware.clock_khz * 1e3, rate, facts["cycles_per_decision"])
    loud_load = Load(load.clock_hz, rate, facts["noise"]["cycles_per_decision"])
    figures = {name: case.evaluate(name, quiet if name == "low" else active, load) for name in conditions}
    high = figures["high"]
    return Estimate(
        load=load,
        figures=figures,
        corners={name: case.evaluate("high", active, load, name) for name in process.corners if name != HEADLINE_CORNER},
        worst_case=case.evaluate("high", glitching("noise", loud_factors), loud_load),
        peak=case.evaluate("high", glitching("active_peak", facts["glitch"]["factors"]), load).busy,
        worst_peak=case.evaluate("high", glitching("noise_peak", loud_factors), loud_load).busy,
        clocks=tuple(at_other_clock(high, load.clock_hz * factor, fmax_mhz * 1e6) for factor in CLOCK_FACTORS),
        blocks={name: by_block(found, blocks) for name, found in figures.items()},
        tree_buffers=tree.count,
        tree_cell=tree.buffer.cell if tree.buffer else "",
        cell_area_um2=netlist.cell_area_um2,
        macro_area_um2=netlist.macro_area_um2,
        placed_um2=placed_um2(netlist, tree.area_um2(cells[HEADLINE_CORNER])),
        facts=facts,
    )


def at_other_clock(high: RealTime, clock_hz: float, fmax_hz: float) -> OtherClock:
    """The same decoder at another clock, or why that clock is refused."""
    if clock_hz > fmax_hz:
        return OtherClock(clock_hz, None, f"above the {fmax_hz / 1e6:.3g} MHz of the slowest corner")
    if not high.load.keeps_up(clock_hz):
        return OtherClock(clock_hz, None, f"does not keep up with {high.load.decisions_per_s:g} decisions per second")
    return OtherClock(clock_hz, high.at_clock_uw(clock_hz), "")


def summary(process: Process, found: Estimate) -> dict:
    """power.json."""
    high, clock_hz = found.figures["high"], found.load.clock_hz
    told = ("source", "decisions", "signal_s", "window_cycles", "cycles_per_decision", "glitch")
    return {
        "target": process.name,
        "corner": process.typical.label,
        "memory_model": process.memory_model,
        "duty": found.load.duty,
        "activity": {key: found.facts[key] for key in told},
        "figures": {
            name: {
                "total_uw": figure.total_uw,
                "idle_uw": figure.idle_uw,
                "energy_per_decision_nj": figure.energy_per_decision_nj,
                "blocks": found.blocks[name],
            }
            for name, figure in found.figures.items()
        },
        "corners": {process.corners[name].label: corner.total_uw for name, corner in found.corners.items()},
        "conditions": {
            "idle": high.still.by_kind(clock_hz),
            "headline": high.by_kind(),
            "worst case": found.worst_case.by_kind(),
            "decoding": high.busy.by_kind(clock_hz),
            "peak": found.peak.by_kind(clock_hz),
            "peak, noise": found.worst_peak.by_kind(clock_hz),
        },
        "clocks": [{"khz": at.clock_hz / 1e3, "uw": at.uw, "refused": at.refused} for at in found.clocks],
    }
