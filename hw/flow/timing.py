"""Timing: slack and highest clock in every corner, and the delays of every cell (OpenSTA; never used for power)."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template

from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.libraries import liberty_inputs, library_files, net_wires_pf, process_for, read_cells, used_macros
from hw.flow.step import Result, Step, say
from hw.flow.synthesize import SCRIPTS
from hw.flow.tool import Tool, ToolError, run_tool
from hw.power.netlist import Netlist, read_netlist
from hw.power.netlist_verilog import write_verilog
from hw.power.simulation_tables import build_tables
from hw.report.opensta import TimingError, read_slacks
from hw.rtl.emit import CLOCK, TOP
from hw.targets.process import Process

OPENSTA = Tool("sta", "the Debian package opensta", at_least="2.0.17", version_command=("-version",))

INPUT_DELAY_NS = 1.0
"""How long after the clock edge the inputs change."""
HOLD = "before clock tree and hold fixing, so not judged"


class Timing(Step):
    """Slack at the design's clock, highest clock, and the delays that the glitch simulation needs."""

    name = "timing"
    needs = (Kind.NETLIST_JSON,)
    makes = (Kind.TIMING, Kind.SDF)
    specs = ("hardware",)
    tools = (OPENSTA,)
    scripts = ("hw/flow/scripts",)

    def outside(self, design: Design) -> tuple[Path, ...]:
        return liberty_inputs(design)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        process = process_for(design)
        macros = used_macros(process, files[Kind.NETLIST_JSON])
        netlist = read_netlist(files[Kind.NETLIST_JSON], read_cells(library_files(process, "typ", macros, folder)), TOP)
        try:
            found = analyse_timing(netlist, process, macros, design.hardware.clock_khz, CLOCK, folder)
        except TimingError as error:
            raise ToolError(str(error), log=folder / "timing_typ.rpt") from error
        report = folder / "timing.json"
        report.write_text(json.dumps({name: asdict(timing) for name, timing in found.items()}, indent=1) + "\n")
        clock_khz = design.hardware.clock_khz
        return Result(
            {Kind.TIMING: report, Kind.SDF: folder / "cells_typ.sdf"}, _metrics(found, clock_khz), slack_failures(design, found)
        )


@dataclass(frozen=True)
class CornerTiming:
    """Slacks in ns at the design's clock; highest clocks in MHz."""

    corner: str
    slack_ns: float
    hold_slack_ns: float
    fmax_mhz: float
    fmax_without_wires_mhz: float


def slack_failures(design: Design, found: dict[str, CornerTiming]) -> tuple[str, ...]:
    """A line for each corner whose setup slack is not positive."""
    return tuple(
        f"{design.name}: slack {timing.slack_ns:.2f} ns at {design.hardware.clock_khz} kHz in {timing.corner}; lower the clock"
        for timing in found.values()
        if timing.slack_ns <= 0
    )


def _metrics(found: "dict[str, CornerTiming]", clock_khz: int) -> tuple[Metric, ...]:
    metrics = []
    for name, timing in found.items():
        origin = f"OpenSTA {OPENSTA.version()}, {timing.corner}, wire loads, no buffering, no clock tree, no routing"
        end = "" if name == "typ" else f"_{name}"
        metrics += [
            Metric(f"fmax{end}_mhz", round(timing.fmax_mhz, 2), "MHz", "higher", origin),
            Metric(f"slack{end}_ns", round(timing.slack_ns, 3), "ns", "higher", f"{origin}, at {clock_khz} kHz"),
            Metric(f"hold_slack{end}_ns", round(timing.hold_slack_ns, 3), "ns", "higher", f"{origin}; {HOLD}"),
        ]
    slowest = min(found.values(), key=lambda timing: timing.slack_ns)
    setup = (
        f"least of all corners, must be positive: OpenSTA {OPENSTA.version()}, {slowest.corner}, wire loads, at {clock_khz} kHz"
    )
    metrics.append(Metric("timing__slack_slow_ns", round(slowest.slack_ns, 3), "ns", "higher", setup))
    typical = found["typ"]
    without = f"OpenSTA {OPENSTA.version()}, {typical.corner}, no wires"
    metrics.append(Metric("fmax_without_wires_mhz", round(typical.fmax_without_wires_mhz, 2), "MHz", "none", without))
    return tuple(metrics)


def analyse_timing(
    netlist: Netlist, process: Process, macros: list[str], clock_khz: float, clock: str, folder: Path
) -> dict[str, CornerTiming]:
    """Timing by corner name; writes cells_<corner>.sdf and timing_<corner>.rpt to `folder`."""
    write_verilog(netlist, folder / "timing_netlist.v")
    (folder / "wires.tcl").write_text(_wire_commands(netlist, process, clock))
    period_ns = 1e6 / clock_khz
    found = {}
    for corner in process.corners:
        say(f"corner {process.corners[corner].label}")
        files = library_files(process, corner, macros, folder)
        script = Template((SCRIPTS / "timing.tcl").read_text()).substitute(
            libraries="\n".join(f"read_liberty {{{path.name if path.parent == folder else path}}}" for path in files),
            top=netlist.top,
            period_ns=period_ns,
            input_delay_ns=INPUT_DELAY_NS,
            clock=clock,
            corner=corner,
        )
        (folder / f"timing_{corner}.tcl").write_text(script)
        log = f"timing_{corner}.rpt"
        run_tool([OPENSTA.path(), "-exit", f"timing_{corner}.tcl"], folder, makes=[folder / f"cells_{corner}.sdf"], log=log)
        slacks = read_slacks((folder / log).read_text())
        found[corner] = CornerTiming(
            corner=process.corners[corner].label,
            slack_ns=slacks["setup with wires"],
            hold_slack_ns=slacks["hold with wires"],
            fmax_mhz=1e3 / (period_ns - slacks["setup with wires"]),
            fmax_without_wires_mhz=1e3 / (period_ns - slacks["setup without wires"]),
        )
    (folder / "timing_netlist.v").unlink()
    return found


def _wire_commands(netlist: Netlist, process: Process, clock: str) -> str:
    """The wire capacitance of every net, as the power engine takes it."""
    wires = net_wires_pf(netlist, build_tables(netlist, clock).clock_nets, process)
    at_ports = {net for _, nets in netlist.ports.values() for net in nets}
    return "".join(
        f"set_load {pf:.5f} [get_nets n{net}]\n" for net, pf in enumerate(wires) if net > 1 and pf > 0 and net not in at_ports
    )
