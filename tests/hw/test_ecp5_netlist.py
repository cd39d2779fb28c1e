"""The decoder as ECP5 cells: what synthesis for an FPGA made of ind_tiny decides as the golden model does."""

from pathlib import Path

import numpy as np
import pytest

from designs.catalogue import find_design
from designs.schema import Design
from hw.flow.ecp5_netlist import synthesize_netlist
from hw.targets.board import BOARDS, fit_to_board, prototype_decoder
from quant.golden.parameters import IntegerParameters
from rtl_sim.harness import HarnessResult, simulate
from rtl_sim.harness_model import HarnessTop
from rtl_sim.random_parameters import random_parameters, random_samples

WINDOWS = 24

pytestmark = [pytest.mark.board, pytest.mark.verilator]


@pytest.fixture(scope="module")
def netlist(tmp_path_factory: pytest.TempPathFactory) -> tuple[HarnessTop, Design]:
    """ind_tiny as the ULX3S prototype holds it, after `synth_ecp5`."""
    folder = tmp_path_factory.mktemp("ecp5")
    board = BOARDS["ulx3s-85f"]
    design = fit_to_board(find_design("ind_tiny"), board)
    decoder = prototype_decoder(design, random_parameters(design, seed=5))
    return synthesize_netlist(decoder, board, folder, folder), design


def run(netlist: HarnessTop, design: Design, folder: Path, parameters: IntegerParameters) -> HarnessResult:
    samples = random_samples(design, tokens=WINDOWS + design.model.tokens - 1, seed=11)
    return simulate(netlist.files, design, parameters, [samples], folder, top=netlist, jobs=1)


def test_the_netlist_decides_as_the_golden_model(netlist: tuple[HarnessTop, Design], tmp_path: Path) -> None:
    top, design = netlist
    result = run(top, design, tmp_path, random_parameters(design, seed=5))
    assert result.windows == WINDOWS
    assert result.mismatches == 0
    assert result.passed


def test_another_networks_netlist_is_told_apart(netlist: tuple[HarnessTop, Design], tmp_path: Path) -> None:
    top, design = netlist
    other = random_parameters(design, seed=6)
    assert not np.array_equal(other.linear["readout"].weight, random_parameters(design, seed=5).linear["readout"].weight)
    assert run(top, design, tmp_path, other).mismatches > 0
