"""Targets: what each offers, the fallback, the modelled memories, and refusals in one line."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from designs.ind_tiny import IND_TINY
from hw.flow.libraries import process_for
from hw.flow.tool import WrongInput
from hw.power.cells import read_library
from hw.power.engine import access_pj
from hw.targets import ihp_sg13g2, modelled_memory, osu018
from hw.targets.choose import find_process
from hw.targets.memory_tiling import choose_tiling
from hw.targets.process import Process, TargetError

needs_osu018 = pytest.mark.skipif(not osu018.CELLS.is_file(), reason="Debian package qflow-tech-osu018 is not installed")
needs_pdk = pytest.mark.skipif(
    not (Path(os.environ.get("PDK_ROOT", "none")) / "ihp-sg13g2").is_dir(), reason="PDK_ROOT holds no ihp-sg13g2"
)


@needs_osu018
def test_osu018_has_no_macros_and_says_so():
    process = find_process("osu018")
    assert process.clock_gate is None and process.tie_high is None
    assert process.memory_model.startswith(
        "memories are a model: IHP SG13G2 single-port macros (130 nm, 1.2 V, typical) scaled to 180"
    )


@needs_osu018
def test_without_the_pdk_osu018_stands_in_and_says_so(monkeypatch, tmp_path):
    monkeypatch.delenv("PDK_ROOT", raising=False)
    process = find_process("ihp_sg13g2")
    assert process.name == "osu018"
    assert process.note == "ihp_sg13g2 is wanted, but PDK_ROOT is not set: osu018 stands in"
    monkeypatch.setenv("PDK_ROOT", str(tmp_path))
    assert find_process("ihp_sg13g2").note == "ihp_sg13g2 is wanted, but PDK_ROOT holds no ihp-sg13g2: osu018 stands in"


@needs_pdk
def test_ihp_sg13g2_has_three_corners_macros_and_gates():
    process = find_process("ihp_sg13g2")
    assert [(corner.voltage, corner.temperature) for corner in process.corners.values()] == [
        (1.2, 25),
        (1.08, 125),
        (1.32, -40),
    ]
    assert process.clock_gate.cell == "sg13g2_lgcp_1" and not process.memory_model and not process.note
    by_size = {(macro.depth, macro.width): macro for macro in process.macros}
    assert (by_size[512, 32].read_pj, by_size[512, 32].write_pj) == pytest.approx((36.0099, 42.3165))
    reference = {(depth, width): (um2, read, write) for depth, width, um2, read, write in modelled_memory.REFERENCE}
    for size, (um2, read, write) in reference.items():
        assert (by_size[size].area_um2, by_size[size].read_pj, by_size[size].write_pj) == pytest.approx(
            (um2, read, write), rel=1e-3
        )


@needs_pdk
@pytest.mark.parametrize(
    ("depth", "width", "banks", "columns"),
    [(2560, 16, 5, [(512, 16)]), (160, 240, 1, [(256, 64)] * 3 + [(256, 48)]), (160, 42, 1, [(256, 48)]), (8, 8, 0, [])],
)
def test_tilings_are_chosen_by_energy_and_area(depth, width, banks, columns):
    tiling = choose_tiling(depth, width, find_process("ihp_sg13g2"))
    assert (tiling.banks, [(macro.depth, macro.width) for macro in tiling.columns]) == (banks, columns)


def test_a_tiling_covers_the_memory_whatever_its_size():
    macros = modelled_memory.macros(osu018.SCALING)
    process = Process("none", 180, {}, (), None, None, None, macros, "", ())
    for depth in (1, 100, 257, 5000):
        for width in (1, 9, 65, 240):
            tiling = choose_tiling(depth, width, process)
            if tiling.columns:
                assert tiling.banks * tiling.bank_depth >= depth
                assert sum(macro.width for macro in tiling.columns) >= width


def test_a_modelled_memory_is_the_reference_scaled_by_c_v_squared(tmp_path):
    scaling = modelled_memory.Scaling(node_nm=180, voltage=1.8)
    macro = next(m for m in modelled_memory.macros(scaling) if (m.depth, m.width) == (512, 32))
    assert macro.read_pj == pytest.approx(36.01 * 180 / 130 * (1.8 / 1.2) ** 2)
    path = modelled_memory.write_liberty(macro, tmp_path / "memory.lib", scaling)
    cell = read_library(path).cells[macro.cell]
    assert cell.memory == (9, 32)
    assert access_pj(cell, write=False) == pytest.approx(macro.read_pj, rel=1e-5)
    assert access_pj(cell, write=True) == pytest.approx(macro.write_pj, rel=1e-5)
    assert cell.leakage_w == pytest.approx(macro.leakage_w, rel=1e-4)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("sky130", "target 'sky130' is unknown; use ihp_sg13g2, osu018 or the path of a Liberty file"),
        ("none.lib", "target none.lib: there is no such file; give the path of a Liberty file"),
    ],
)
def test_an_unusable_target_is_refused_in_one_line(target, message):
    with pytest.raises(TargetError) as error:
        find_process(target)
    assert str(error.value) == message
    with pytest.raises(WrongInput) as wrong:
        process_for(replace(IND_TINY, hardware=replace(IND_TINY.hardware, target=target)))
    assert str(wrong.value) == f"ind_tiny: {message}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("library(l) { cell(c) { area : 1;", "ends in the middle of a group; the file is truncated"),
        ("cells : none;", "holds no library group; give a Liberty (.lib) file"),
        ("", "holds no library group; give a Liberty (.lib) file"),
    ],
)
def test_a_damaged_file_inside_the_pdk_is_one_line(tmp_path, monkeypatch, text, reason):
    name = "RM_IHPSG13_1P_64x64_c2_bm_bist_typ_1p20V_25C.lib"
    for path in (ihp_sg13g2.CELLS.format("typ_1p20V_25C"), f"{ihp_sg13g2.MACROS}/{name}"):
        file = tmp_path / "ihp-sg13g2" / path
        file.parent.mkdir(parents=True)
        file.write_text(text)
    monkeypatch.setenv("PDK_ROOT", str(tmp_path))
    with pytest.raises(WrongInput) as error:
        process_for(replace(IND_TINY, hardware=replace(IND_TINY.hardware, target="ihp_sg13g2")))
    assert str(error.value) == f"ind_tiny: target ihp_sg13g2: {name}: {reason}; install its files again"


def test_a_liberty_without_power_tables_is_refused_in_one_line(tmp_path):
    path = tmp_path / "timing_only.lib"
    path.write_text("library(l) { cell(c) { area : 1; pin(A) { direction : input; } } }")
    with pytest.raises(TargetError) as error:
        find_process(str(path))
    assert str(error.value) == (
        "target timing_only.lib: has no power tables (internal_power groups), so no power can be worked out; "
        "use a Liberty file characterised for power"
    )


@needs_osu018
def test_any_other_liberty_by_its_path():
    process = find_process(str(osu018.CELLS))
    assert process.name == "osu018_stdcells" and process.node_nm == 236
    assert {"LATCH", "TBUFX1", "TBUFX2"} <= set(process.avoid)
    assert process.note == "linear size 236 nm judged from the smallest 2-input NAND"


@needs_osu018
def test_a_target_given_by_a_relative_path_is_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "cells.lib").symlink_to(osu018.CELLS)
    monkeypatch.chdir(tmp_path)
    assert find_process("./cells.lib").typical.cells.is_absolute()


@needs_osu018
def test_a_process_with_its_memories_in_registers():
    plain, found = find_process("osu018"), find_process("osu018_registers")
    assert found.name == "osu018_registers" and found.macros == plain.macros
    assert found.memory_model == f"every memory lies in registers, for comparison; {plain.memory_model}"
    assert choose_tiling(2560, 16, plain).columns and choose_tiling(2560, 16, found).columns == ()
