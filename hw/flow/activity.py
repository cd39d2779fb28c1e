"""Activity: the netlist decodes real samples and noise: its decisions are checked, toggles counted, glitches sampled."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from designs.decoding_set import DecodingSet
from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.block_names import block_of
from hw.flow.exact import require_exact
from hw.flow.libraries import liberty_inputs, library_files, net_wires_pf, process_for, read_cells, used_macros
from hw.flow.netlist_run import WINDOW_CYCLES, Counted, NetlistRun, Score, run_netlist
from hw.flow.netlist_samples import (
    NetlistRunError,
    choose_stretches,
    compare_with_golden,
    counted_decisions,
    golden_rows,
    noise,
)
from hw.flow.step import CheckFailed, Result, Step, say
from hw.flow.tool import Tool, ToolError
from hw.power.activity import to_activity
from hw.power.cells import Cell
from hw.power.engine import PowerEngine, access_pj
from hw.power.gate_simulator import LANES, Counts
from hw.power.glitches import glitch_factors, logic_nets
from hw.power.netlist import Netlist, NetlistError, read_netlist
from hw.power.sdf import delay_arrays, read_sdf
from hw.power.simulation_tables import Tables, build_tables
from hw.rtl.emit import CLOCK, TOP
from hw.targets.process import Process
from quant.golden.exactness import Row, write_rows
from quant.golden.parameters import IntegerParameters
from quant.golden.read_qonnx import read_qonnx

COMPILER = Tool("cc", "the Debian package gcc", version_command=("--version",))
NOISE_SEED = 1
DELAYED_CYCLES = 1500
"""Cycles of one lane that are run with cell delays as well, spread over the counted decisions and the lanes."""


class Activity(Step):
    """64 stretches of the test streams, and noise behind them: netlist = golden, toggles per net, glitch factors."""

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
        try:
            measured = measure_activity(
                design,
                read_qonnx(files[Kind.QONNX], design),
                read_netlist(files[Kind.NETLIST_JSON], cells, TOP),
                process,
                cells,
                streams=[found.streams[i] for i in found.test_streams()],
                source=str(found.source),
                frames=files[Kind.RTL_LOAD].read_bytes(),
                sdf=files[Kind.SDF],
                folder=folder / "activity",
            )
        except NetlistError as error:
            raise ToolError(f"activity: {error}") from error
        except NetlistRunError as error:
            raise CheckFailed(str(error)) from error
        exactness = folder / "exactness.json"
        write_rows(measured.rows, exactness)
        require_exact(design, exactness)
        return Result({Kind.ACTIVITY: folder / "activity", Kind.EXACT_NETLIST: exactness}, _metrics(design, measured))


@dataclass(frozen=True)
class Measured:
    """`facts`: activity.json; `rows`: netlist against golden model; `windows`: distinct ones among those compared."""

    facts: dict
    rows: list[Row]
    windows: int


def measure_activity(
    design: Design,
    parameters: IntegerParameters,
    netlist: Netlist,
    process: Process,
    cells: dict[str, Cell],
    *,
    streams: list[np.ndarray],
    source: str,
    frames: bytes,
    sdf: Path,
    folder: Path,
) -> Measured:
    """Run `netlist` on `streams` and on noise, write the activity into `folder`, compare with the golden model.

    `cells`: of the typical corner; `frames`: the weights for the load port. Raises NetlistError, NetlistRunError.
    """
    loud, counted = noise(design, seed=NOISE_SEED), counted_decisions(design)
    tables = build_tables(netlist, CLOCK)
    loads_pf = PowerEngine(netlist, tables.clock_nets).pin_loads_pf(cells) + net_wires_pf(netlist, tables.clock_nets, process)
    chosen = choose_stretches(design, streams, counted)
    run = run_netlist(
        tables,
        design,
        chosen.samples,
        loud,
        frames,
        counted=counted,
        score=_score(tables, cells, process.typical.voltage, loads_pf),
        delays=delay_arrays(tables, read_sdf(sdf)),
        delayed_cycles=DELAYED_CYCLES,
        say=say,
    )
    say("comparing with the golden model")
    fed = [np.concatenate(pair) for pair in zip(chosen.samples, loud, strict=True)]
    noisy = len(golden_rows(design, len(fed[0]))) - len(golden_rows(design, len(chosen.samples[0])))
    windows = chosen.windows + LANES * noisy
    rows = compare_with_golden(design, parameters, fed, run.transfers, windows)
    logic = logic_nets(netlist, [block_of(instance.name) for instance in netlist.instances])
    factors = [glitch_factors(part.delayed, part.settled, loads_pf, logic) for part in (run.active, run.noise)]
    return Measured(write_activity(folder, tables, run, factors, chosen.signal_s, source), rows, windows)


def _metrics(design: Design, measured: Measured) -> tuple[Metric, ...]:
    made = measured.facts
    origin = f"gate level, {LANES} stretches of the test streams of {made['source']}"
    compared = measured.rows[0].values // design.model.outputs
    signal = f"{origin}, {made['decisions']} decisions counted, seconds of the recording that differ"
    return (
        Metric(
            "netlist__distinct_windows", measured.windows, "", "higher", f"{origin} and noise, of {compared} decisions compared"
        ),
        Metric("netlist__cycles_per_decision", round(made["cycles_per_decision"], 1), "cycles", "lower", origin),
        Metric("netlist__signal_s", made["signal_s"], "s", "higher", signal),
        Metric("glitch__factor", round(made["glitch"]["factors"][""], 3), "x", "lower", made["glitch"]["source"]),
    )


def _score(tables: Tables, cells: dict[str, Cell], volt: float, loads_pf: np.ndarray) -> Score:
    """How busy a window was: pJ per cycle of 1/2 C V^2 of all pins and wires, and of memory accesses, without what is inside
    cells. It finds the busiest window; the power engine then says what that one takes."""
    netlist, per_toggle = tables.netlist, 0.5 * volt**2 * loads_pf
    accessed = [cells[netlist.instances[index].cell.name] for index, _ in tables.macros]
    reads, writes = (np.array([access_pj(cell, write=write) for cell in accessed]) for write in (False, True))

    def score(found: Counts) -> float:
        memories = float((found.reads * reads).sum() + (found.writes * writes).sum())
        return (float((found.toggles[: netlist.nets] * per_toggle).sum()) + memories) / found.lane_cycles

    return score


def write_activity(
    folder: Path, tables: Tables, run: NetlistRun, factors: list[dict[str, float]], signal_s: float, source: str
) -> dict:
    """active.npz, noise.npz, their busiest windows, idle.npz, and activity.json, whose content is returned. `factors`: of the
    recording and of the noise."""
    folder.mkdir()
    parts = {
        "active": run.active.counts,
        "active_peak": run.active.peak,
        "noise": run.noise.counts,
        "noise_peak": run.noise.peak,
        "idle": run.idle,
    }
    for name, counts in parts.items():
        to_activity(counts, tables, LANES).save(folder / f"{name}.npz")
    made = {
        "source": source,
        "decisions": LANES * run.active.decisions,
        "signal_s": round(signal_s, 3),
        "cycles_per_decision": run.active.cycles_per_decision,
        "idle_cycles": run.idle.cycles,
        "window_cycles": WINDOW_CYCLES,
        "toggles_per_cycle": float(np.sum(run.active.counts.toggles) / run.active.counts.lane_cycles),
        "clock_nets": tables.clock_nets,
        "glitch": _glitch(run.active, factors[0]),
        "noise": {
            "decisions": LANES * run.noise.decisions,
            "cycles_per_decision": run.noise.cycles_per_decision,
            "glitch": _glitch(run.noise, factors[1]),
        },
    }
    (folder / "activity.json").write_text(json.dumps(made, indent=1) + "\n")
    return made


def _glitch(counted: Counted, factors: dict[str, float]) -> dict:
    source = f"event-driven simulation with cell delays of the SDF, {counted.sampled} cycles of single lanes"
    return {"factors": factors, "source": source}
