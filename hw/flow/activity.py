"""Activity: the netlist decodes real samples: its decisions are checked, its toggles counted, its glitches sampled."""

import json
from pathlib import Path

import numpy as np

from designs.decoding_set import DecodingSet
from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.block_names import block_of
from hw.flow.exact import require_exact
from hw.flow.libraries import liberty_inputs, library_files, net_wires_pf, process_for, read_cells, used_macros
from hw.flow.netlist_run import NetlistRun, NetlistRunError, choose_stretches, compare_with_golden, run_netlist
from hw.flow.step import CheckFailed, Result, Step, say
from hw.flow.timing import CLOCK
from hw.flow.tool import Tool, ToolError
from hw.power.activity import to_activity
from hw.power.engine import PowerEngine
from hw.power.gate_simulator import LANES, GateSimulator
from hw.power.glitches import glitch_factors, logic_nets
from hw.power.netlist import NetlistError, read_netlist
from hw.power.sdf import delay_arrays, read_sdf
from hw.power.simulation_tables import Tables, build_tables
from hw.rtl.emit import TOP
from hw.targets.process import Process
from quant.golden.exactness import write_rows
from quant.golden.read_qonnx import read_qonnx

COMPILER = Tool("cc", "the Debian package gcc", version_command=("--version",))
COUNTED_DECISIONS = 3
"""Per lane, in steady state; 64 lanes."""
DELAYED_CYCLES = 1500
"""Cycles of one lane that are run with cell delays as well, spread over the counted decisions and the lanes."""


class Activity(Step):
    """64 stretches of the test streams, from reset through the load port: netlist = golden, toggles per net, glitch factors."""

    name = "activity"
    needs = (Kind.NETLIST_JSON, Kind.SDF, Kind.QONNX, Kind.DECODING_SET, Kind.RTL_LOAD)
    makes = (Kind.ACTIVITY, Kind.EXACT_NETLIST)
    tools = (COMPILER,)
    scripts = ("hw/power/gate_simulator.c",)

    def outside(self, design: Design) -> tuple[Path, ...]:
        return liberty_inputs(design)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        process = process_for(design)
        macros = used_macros(process, files[Kind.NETLIST_JSON])
        cells = read_cells(library_files(process, "typ", macros, folder))
        found = DecodingSet.load(files[Kind.DECODING_SET])
        parameters = read_qonnx(files[Kind.QONNX], design)
        try:
            tables = build_tables(read_netlist(files[Kind.NETLIST_JSON], cells, TOP), CLOCK)
            streams = [found.streams[i] for i in found.test_streams()]
            stretches, windows = choose_stretches(design, streams, COUNTED_DECISIONS)
            run, simulator = run_netlist(
                tables,
                design,
                stretches,
                files[Kind.RTL_LOAD].read_bytes(),
                counted=COUNTED_DECISIONS,
                delays=delay_arrays(tables, read_sdf(files[Kind.SDF])),
                delayed_cycles=DELAYED_CYCLES,
                say=say,
            )
        except NetlistError as error:
            raise ToolError(f"activity: {error}") from error
        except NetlistRunError as error:
            raise CheckFailed(str(error)) from error
        exactness = folder / "exactness.json"
        rows = compare_with_golden(design, parameters, stretches, run.transfers, windows)
        write_rows(rows, exactness)
        require_exact(design, exactness)
        made = write_activity(
            folder / "activity", design, tables, run, _factors(simulator, tables, cells, process), str(found.source)
        )
        origin = f"gate level, {LANES} stretches of the test streams of {found.source}"
        compared = rows[0].values // design.model.outputs
        metrics = (
            Metric("netlist__distinct_windows", windows, "", "higher", f"{origin}, of {compared} decisions compared"),
            Metric("netlist__cycles_per_decision", round(run.active.cycles / run.counted, 1), "cycles", "lower", origin),
            Metric("netlist__signal_s", made["signal_s"], "s", "higher", f"{origin}, {made['decisions']} decisions counted"),
            Metric("glitch__factor", round(made["glitch"]["factors"][""], 3), "x", "lower", made["glitch"]["source"]),
        )
        return Result({Kind.ACTIVITY: folder / "activity", Kind.EXACT_NETLIST: exactness}, metrics)


def _factors(simulator: GateSimulator, tables: Tables, cells, process: Process) -> tuple[dict[str, float], int]:
    """Glitch factors per block, weighted by load with the wire load, and the cycles they come from."""
    netlist = tables.netlist
    delayed, settled, sampled = simulator.delayed_counts()
    load_pf = PowerEngine(netlist, tables.clock_nets).pin_loads_pf(cells) + net_wires_pf(netlist, tables.clock_nets, process)
    blocks = [block_of(instance.name) for instance in netlist.instances]
    return glitch_factors(delayed, settled, load_pf, logic_nets(netlist, blocks)), sampled


def write_activity(
    folder: Path, design: Design, tables: Tables, run: NetlistRun, factors: tuple[dict[str, float], int], source: str
) -> dict:
    """active.npz, idle.npz and activity.json, whose content is returned."""
    folder.mkdir()
    to_activity(run.active, tables, LANES).save(folder / "active.npz")
    to_activity(run.idle, tables, LANES).save(folder / "idle.npz")
    decisions = LANES * run.counted
    made = {
        "source": source,
        "decisions": decisions,
        "signal_s": round(decisions * design.tokenizer.token_ms / 1000, 3),
        "cycles_per_decision": run.active.cycles / run.counted,
        "idle_cycles": run.idle.cycles,
        "toggles_per_cycle": float(np.sum(run.active.toggles) / run.active.lane_cycles),
        "clock_nets": tables.clock_nets,
        "glitch": {
            "factors": factors[0],
            "source": f"event-driven simulation with cell delays of the SDF, {factors[1]} cycles of single lanes",
        },
    }
    (folder / "activity.json").write_text(json.dumps(made, indent=1) + "\n")
    return made
