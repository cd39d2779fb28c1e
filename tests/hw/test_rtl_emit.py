"""The decoder's files: plain names, the same text every time, taps only on request, and Verilator finds nothing to say."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from designs.ind_int4 import IND_INT4
from designs.ind_tiny import IND_TINY
from designs.layer_table import streams
from designs.number_format import INT8, IntFormat
from designs.schema import DesignError
from hw.rtl.emit import TOP, component_rtlil, emit, emit_component
from hw.rtl.identifiers import plain_identifiers
from hw.rtl.ind import Ind
from hw.rtl.requantize import Requantize
from quant.golden.parameters import AttentionShifts
from rtl_sim.random_parameters import random_parameters
from rtl_sim.verilator import verilator_environment


def test_names_become_plain_and_stay_different() -> None:
    lines = [
        "module \\top.a$1",
        "wire \\x$1",
        "wire \\x_1",
        "wire \\release",
        "wire \\b[0]",
        "wire $auto$1",
        "connect \\x$1 \\x_1",
    ]
    plain = [
        "module \\top_a_1",
        "wire \\x_1_2",
        "wire \\x_1",
        "wire \\release_2",
        "wire \\b_0",
        "wire $auto$1",
        "connect \\x_1_2 \\x_1",
    ]
    assert plain_identifiers("\n".join(lines)).splitlines() == plain


def test_the_text_depends_on_the_arguments_alone() -> None:
    def text() -> str:
        return component_rtlil(Ind(IND_TINY, random_parameters(IND_TINY, seed=1)), TOP)

    first = text()
    assert first == text()
    assert first != component_rtlil(Ind(IND_TINY, random_parameters(IND_TINY, seed=2)), TOP)


def test_parameters_of_another_design_are_refused() -> None:
    with pytest.raises(DesignError) as refused:
        Ind(IND_TINY, random_parameters(IND_INT4, seed=1))
    assert str(refused.value) == "ind_tiny: the parameters are of ind_int4; use the ones of this design"


def test_what_has_no_hardware_is_refused() -> None:
    design = replace(IND_TINY, model=replace(IND_TINY.model, normaliser="divide"))
    with pytest.raises(DesignError) as refused:
        Ind(design, replace(random_parameters(IND_TINY, seed=1), design=design, attention=(AttentionShifts(1, 0, 6),)))
    line = "ind_tiny: model.normaliser='divide' has no hardware; use 'none', or stop at the integers"
    assert str(refused.value) == line


@pytest.mark.parametrize(("acc_bits", "shift"), [(12, 6), (9, 2), (8, 0), (6, 9)])
def test_nothing_is_decided_by_the_bits_of_nothing(tmp_path: Path, acc_bits: int, shift: int) -> None:
    """A result that just fits has no upper bits; Yosys writes the AND of none as `& 1'h0`, which is 0 and not 1."""
    verilog, *_ = emit_component(Requantize(acc=IntFormat(acc_bits), out=INT8, shift=shift), TOP, tmp_path)
    assert not re.search(r"= [&|] 1'h0;", verilog.read_text())


@pytest.mark.verilator
@pytest.mark.parametrize("taps", [True, False], ids=["with_taps", "without_taps"])
def test_the_decoder_lints_clean(tmp_path: Path, taps: bool) -> None:
    verilog, rtlil, waivers = emit(IND_TINY, random_parameters(IND_TINY, seed=1), tmp_path, preloaded=False, taps=taps)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([verilog.name, rtlil.name, waivers.name])
    text = verilog.read_text()
    assert "\\" not in text
    for stream in streams(IND_TINY):
        for part in ("payload", "valid"):
            declared = re.search(rf"^  reg (\[\d+:0\] )?tap_{stream.name}_{part}\b", text, re.MULTILINE)
            assert (declared is not None) == taps
    command = ["verilator", "--lint-only", "-Wall", "--top-module", TOP, waivers.name, verilog.name]
    done = subprocess.run(command, cwd=tmp_path, env=verilator_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
