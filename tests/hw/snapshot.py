"""Area and power of ind_tiny with random weights on made samples, and the values they had when they were last accepted.

The same on any machine: weights, samples and lanes come from fixed seeds, Yosys is pinned. After a change that is meant to
change them:

    python -m tests.hw.snapshot                 # both processes; ihp_sg13g2 needs PDK_ROOT, else its values stay
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from designs.ind_tiny import IND_TINY
from designs.metric import Metric
from hw.flow.activity import measure_activity
from hw.flow.libraries import library_files, read_cells, used_macros
from hw.flow.netlist_samples import SPARE_TOKENS, counted_decisions
from hw.flow.power import estimate
from hw.flow.power_metrics import power_metrics
from hw.flow.synthesize import synthesize
from hw.flow.timing import analyse_timing
from hw.plan.folding import fold
from hw.plan.memory import load_frames
from hw.power.netlist import read_netlist
from hw.rtl.emit import CLOCK, TOP, emit
from hw.targets import ihp_sg13g2
from hw.targets.choose import find_process
from rtl_sim.random_parameters import random_parameters, random_samples

ACCEPTED = Path(__file__).with_name("snapshot_ind_tiny.json")
TOKENS_BEHIND = 20
"""How many more tokens the stream has than one lane needs: lanes then differ."""
PARTS = ("total", "total_no_tree", "total_low", "idle", "worst_case", "leakage", "decoding", "peak")
NAMES = ("area__placed_um2", "clock_tree_buffers", "energy_per_decision_nj", *(f"power__{part}_uw" for part in PARTS))


def measure(target: str, folder: Path) -> dict[str, float]:
    """Metric -> value on one process; all files go to `folder`. The netlist must equal the golden model in every integer."""
    parameters, process = random_parameters(IND_TINY, seed=5), find_process(target)
    verilog, *_ = emit(IND_TINY, parameters, folder / "verilog", preloaded=False)
    synthesize([verilog], TOP, process, folder)
    macros = used_macros(process, folder / "netlist.json")
    cells = {name: read_cells(library_files(process, name, macros, folder)) for name in process.corners}
    netlist = read_netlist(folder / "netlist.json", cells["typ"], TOP)
    timing = analyse_timing(netlist, process, macros, IND_TINY.hardware.clock_khz, CLOCK, folder)
    tokens = IND_TINY.model.tokens + counted_decisions(IND_TINY) + SPARE_TOKENS + TOKENS_BEHIND
    measured = measure_activity(
        IND_TINY,
        parameters,
        netlist,
        process,
        cells["typ"],
        streams=[random_samples(IND_TINY, tokens=tokens, seed=3)],
        source="made samples",
        frames=load_frames(parameters, fold(IND_TINY)),
        sdf=folder / "cells_typ.sdf",
        folder=folder / "activity",
    )
    assert sum(row.mismatches for row in measured.rows) == 0
    fmax_mhz = min(corner.fmax_mhz for corner in timing.values())
    found = estimate(IND_TINY, process, netlist, cells, folder / "activity", fmax_mhz)
    metrics, failures = power_metrics(IND_TINY, process, found)
    assert not failures
    return {"area__total_um2": round(netlist.cell_area_um2 + netlist.macro_area_um2, 1)} | _chosen(metrics)


def _chosen(metrics: tuple[Metric, ...]) -> dict[str, float]:
    by_name = {metric.name: metric.value for metric in metrics}
    return {name: by_name[name] for name in NAMES}


def refresh() -> None:
    """Accept what is measured now."""
    accepted = json.loads(ACCEPTED.read_text()) if ACCEPTED.is_file() else {}
    for target in ("osu018", *((ihp_sg13g2.NAME,) if ihp_sg13g2.find_pdk() else ())):
        with TemporaryDirectory() as folder:
            accepted[target] = measure(target, Path(folder))
    ACCEPTED.write_text(json.dumps(accepted, indent=1) + "\n")


if __name__ == "__main__":
    refresh()
