"""Lint: one warning ends the build, and what Verilator said is shown with its log."""

from pathlib import Path

import pytest

from designs.catalogue import CATALOGUE
from designs.ind_tiny import IND_TINY
from hw.flow.artifact import SOURCE_LIST, Files, Kind
from hw.flow.lint import Lint
from hw.flow.step import CheckFailed
from hw.rtl.emit import emit
from rtl_sim.random_parameters import random_parameters

pytestmark = pytest.mark.verilator
CLEAN = "module ind(input wire a, output wire b);\n  assign b = a;\nendmodule\n"


def sources(folder: Path, text: str) -> Files:
    (folder / "verilog").mkdir()
    (folder / "verilog/ind.v").write_text(text)
    (folder / "verilog" / SOURCE_LIST).write_text("ind.v\n")
    return {Kind.VERILOG: folder / "verilog"}


def test_clean_verilog_passes(tmp_path: Path) -> None:
    [metric] = Lint().run(IND_TINY, sources(tmp_path, CLEAN), tmp_path).metrics
    assert (metric.name, metric.value) == ("lint__warnings", 0)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_named_design_is_clean(name: str, tmp_path: Path) -> None:
    design = CATALOGUE[name]
    emit(design, random_parameters(design, seed=1), tmp_path / "verilog", preloaded=False)
    (tmp_path / "verilog" / SOURCE_LIST).write_text("ind.v\n")
    assert Lint().run(design, {Kind.VERILOG: tmp_path / "verilog"}, tmp_path).metrics[0].value == 0


def test_a_warning_is_a_failed_check_with_its_lines_and_log(tmp_path: Path) -> None:
    with pytest.raises(
        CheckFailed, match=r"^ind_tiny: lint: %Warning-UNUSEDSIGNAL: .*; mend the block that emits it$"
    ) as caught:
        Lint().run(IND_TINY, sources(tmp_path, CLEAN.replace("input wire a", "input wire a, input wire c")), tmp_path)
    assert caught.value.lines[0].startswith("%Warning-UNUSEDSIGNAL")
    assert caught.value.log == tmp_path / "log.txt"
