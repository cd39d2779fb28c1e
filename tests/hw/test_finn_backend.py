"""FINN's matrix-vector unit: same integers and rate as ours, from an installed package that is never written to."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from designs.catalogue import CATALOGUE
from designs.layer_table import LinearLayer, linear_layer, linear_layers
from designs.number_format import INT4, INT8, IntFormat, enclosing
from designs.schema import Design
from hw.finn_flow.mend import MendError, mend_library
from hw.finn_flow.unit import LANES_MAX, generated_weight, lanes, port_widths
from hw.plan.folding import Folding, fold
from rtl_sim.backends import WINDOWED, with_backend
from rtl_sim.harness import simulate
from rtl_sim.random_parameters import random_parameters, random_samples
from rtl_sim.verilator import VerilatorError, run_logged, verilator_environment

finn = pytest.importorskip("finn", reason="finn-plus is not installed; run `make setup`")

DESIGNS = [with_backend(name, "finn") for name in WINDOWED]


@pytest.mark.finn
@pytest.mark.verilator
@pytest.mark.parametrize("variant", ["narrow_operands", "embed_of_ind_int4", "one_word_per_vector", "odd_sizes"])
def test_the_unit_equals_the_golden_model_at_the_rate_that_finn_expects(variant: str, tmp_path: Path) -> None:
    from hw.finn_flow.generate import estimate_mvau
    from hw.finn_flow.simulate import cycles_per_vector, simulate_core, sizes

    result = simulate_core(variant, tmp_path)
    assert result.passed, {test: text for test, text in result.failures.items() if text}
    layer, folding = sizes(variant)
    paced = 2 if folding.simd == layer.inputs else 1
    assert cycles_per_vector(result) * layer.tokens == estimate_mvau(layer, folding, tmp_path).finn_cycles * paced


@pytest.mark.finn
@pytest.mark.verilator
def test_the_decoder_with_finn_in_every_dense_layer_equals_the_golden_model(tmp_path: Path) -> None:
    from hw.finn_flow.stitch import emit_finn

    design = with_backend("ind_tiny", "finn")
    parameters = random_parameters(design, seed=3)
    sources = [path for path in emit_finn(design, parameters, tmp_path) if path.suffix != ".il"]
    samples = random_samples(design, tokens=30, seed=4)
    result = simulate(sources, design, parameters, [samples], tmp_path / "harness", stall="bursts")
    assert result.passed, [boundary.first for boundary in result.boundaries if boundary.mismatches]
    assert result.windows == 30 - design.model.tokens + 1


@pytest.mark.finn
@pytest.mark.verilator
def test_verilator_finds_nothing_in_finn_files_beyond_the_listed_waivers(tmp_path: Path) -> None:
    from hw.finn_flow.generate import generate_mvau
    from hw.finn_flow.stitch import finn_files, write_waivers

    design = with_backend("ind_tiny", "finn")
    folding = fold(design)
    for layer in linear_layers(design):
        generate_mvau(layer, folding[layer.name], tmp_path)
    waivers, sources = write_waivers(design, tmp_path), [path.name for path in finn_files(design, tmp_path)]
    lint = ["verilator", "--lint-only", "-Wall", "--top-module", "finn_block0_contract"]
    log, environment = tmp_path / "lint.log", verilator_environment()
    run_logged([*lint, waivers.name, *sources], tmp_path, log, environment)
    with pytest.raises(VerilatorError):
        run_logged([*lint, *sources], tmp_path, log, environment)


@pytest.mark.finn
def test_the_installed_package_is_left_alone_and_the_files_repeat(tmp_path: Path) -> None:
    from hw.finn_flow.generate import generate_mvau

    layer = linear_layer(CATALOGUE["ind_tiny"], "block0_expand")
    library = Path(finn.__path__[0]) / "finn-rtllib" / "mvu"
    before = fingerprint(library)
    first, second = (generate_mvau(layer, Folding(4, 2), tmp_path / name) for name in ("first", "second"))
    assert fingerprint(library) == before
    assert [path.name for path in first.files] == [path.name for path in second.files]
    assert [path.read_text() for path in first.files] == [path.read_text() for path in second.files]
    assert re.search(r"module\s+finn_block0_expand\b", first.wrapper.read_text())


def fingerprint(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


@pytest.mark.finn
@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_finn_expects_the_cycles_of_our_plan(design: Design, tmp_path: Path) -> None:
    from hw.finn_flow.generate import estimate_mvau

    folding = fold(design)
    found = [estimate_mvau(layer, folding[layer.name], tmp_path) for layer in linear_layers(design)]
    assert [row.finn_cycles for row in found] == [row.plan_cycles for row in found]


@pytest.mark.finn
@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_finn_would_choose_our_accumulators(design: Design) -> None:
    from qonnx.core.datatype import DataType
    from qonnx.util.basic import calculate_matvec_accumulator_range

    for layer in linear_layers(design):
        corners = [np.full((layer.inputs, 1), float(value)) for value in (layer.weight.min, layer.weight.max)]
        ranges = [calculate_matvec_accumulator_range(corner, DataType[layer.input.name]) for corner in corners]
        assert layer.bias == enclosing(int(min(map(min, ranges))), int(max(map(max, ranges)))), layer.name


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_every_layer_takes_the_plain_core(design: Design) -> None:
    for layer in linear_layers(design):
        weight = generated_weight(layer)
        assert layer.weight.bits <= weight.bits <= 8
        assert lanes(layer.input.bits, weight.bits) <= LANES_MAX


def test_weights_are_widened_only_where_operands_are_short() -> None:
    tiny = CATALOGUE["ind_tiny"]
    assert generated_weight(linear_layer(tiny, "embed")) == INT4
    assert generated_weight(linear_layer(tiny, "block0_contract")) == IntFormat(5)
    assert generated_weight(linear_layer(CATALOGUE["ind_int8"], "readout")) == INT8


def test_ports_are_padded_to_bytes() -> None:
    layer = LinearLayer("layer", 12, 6, 1, IntFormat(3), IntFormat(6), None)
    assert layer.bias.bits == 12
    assert port_widths(layer, Folding(pe=3, simd=3)) == {"in0_V": 16, "in1_V": 56, "out0_V": 40}


def test_another_finn_is_refused_by_the_text_it_lacks(tmp_path: Path) -> None:
    source = tmp_path / "mvu.sv"
    source.write_text("module mvu; endmodule\n")
    with pytest.raises(MendError) as refusal:
        mend_library([source], tmp_path / "mended")
    assert str(refusal.value) == (
        "finn-plus: mvu.sv has 'if(1) begin : blkRecoveryWatch' 0 times where 1 is expected; "
        "install finn-plus==1.6.1 or adapt hw/finn_flow/mend.py"
    )
