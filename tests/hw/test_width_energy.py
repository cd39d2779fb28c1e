"""Energy by width: the table that others read, what free scales multiply, and the measurement on one tiny unit bench."""

from dataclasses import replace

import numpy as np
import pytest

from designs.ind_int4 import IND_INT4
from designs.ind_int8 import IND_INT8
from designs.ind_tiny import IND_TINY
from designs.width_energy import WidthEnergies, WidthEnergy, WidthEnergyError, read_width_energies
from designs.widths import BUILT, WIDTHS, ind_of
from hw.compare.width_energy import as_toml, built_nj
from hw.flow.requantizing import MULTIPLIER, SUM, requantized_outputs, requantizing_feeds
from hw.flow.step import WrongInput
from hw.flow.unit_energy import measure_units
from hw.power.gate_simulator import LANES
from hw.targets import osu018
from hw.targets.choose import find_process
from rtl_sim.random_parameters import random_parameters, random_samples

W8A8, W4A4 = (
    WidthEnergy(8, 8, 697.0, 412.0, 40.0, 50.0, built_nj=6250.0),
    WidthEnergy(4, 4, 303.0, 216.0, 38.0, 47.0),
)
needs_osu018 = pytest.mark.skipif(not osu018.CELLS.is_file(), reason="Debian package qflow-tech-osu018 is not installed")


def test_the_table_in_the_repository_has_every_width_and_narrower_ones_take_less():
    found = read_width_energies()
    assert tuple((width.weight_bits, width.activation_bits) for width in found.widths) == WIDTHS
    assert found.of(8, 8).floor_nj > found.of(8, 4).floor_nj > found.of(4, 4).floor_nj > found.of(3, 4).floor_nj
    for width in found.widths:
        assert width.floor_low_nj < width.floor_nj
        assert ((width.weight_bits, width.activation_bits) in BUILT) == (width.built_nj is not None)


def test_a_table_is_read_back_as_it_was_written(tmp_path):
    written = WidthEnergies("ihp_sg13g2, typ", "python -m hw.compare.width_energy --write", (W8A8, W4A4))
    path = tmp_path / "width_energy.toml"
    path.write_text(as_toml(written))
    assert read_width_energies(path) == written


def test_free_scales_cost_their_multipliers():
    assert W8A8.floor_with(per_channel=True, power_of_two=True) == 697.0
    assert W8A8.floor_with(per_channel=False, power_of_two=False) == 737.0
    assert W8A8.floor_with(per_channel=True, power_of_two=False) == 747.0


def test_wrong_tables_are_one_line(tmp_path):
    energies = WidthEnergies("typ", "measure", (W4A4,))
    with pytest.raises(WidthEnergyError, match=r"width_energy\.toml: has no w8a8, but w4a4; measure with measure"):
        energies.of(8, 8)
    path = tmp_path / "width_energy.toml"
    for text, message in (
        ("corner = 1", "width_energy.toml: is no table of widths"),
        (as_toml(energies).replace("303.0", "-1"), "width_energy.toml: floor_nj=-1 is no positive number; measure it again"),
    ):
        path.write_text(text)
        with pytest.raises(WidthEnergyError, match=message):
            read_width_energies(path)


def test_what_is_built_stands_in_the_comparison(tmp_path):
    assert 3000 < built_nj("ind_int4", 10.0) < built_nj("ind_int8", 10.0) < 10000
    document = tmp_path / "comparison.md"
    document.write_text("| `ind_int4` | 25.5 / 29.2 / 36.6 | 38.9 |\n")
    assert built_nj("ind_int4", 10.0, document) == pytest.approx(3660)
    with pytest.raises(
        WrongInput, match=r"comparison.md: has no power of ind_int8; write it with python -m hw.compare --write"
    ):
        built_nj("ind_int8", 10.0, document)


def test_the_widths_that_are_built_are_the_named_designs():
    for (weight, activation), named in zip(BUILT, (IND_INT8, IND_INT4), strict=True):
        found = ind_of(weight, activation)
        assert BUILT[weight, activation] == named.name
        assert (found.tokenizer, found.model, found.quant) == (named.tokenizer, named.model, named.quant)


def test_outputs_that_are_requantized_by_hand():
    width, tokens, hidden, layers = 32, 10, 64, 2
    inside = layers * (tokens * (5 * width + hidden) + width**2 + tokens * width)
    assert requantized_outputs(IND_INT4) == width + inside + width


def feeds():
    design = replace(IND_TINY, name="tiny")
    parameters = random_parameters(design, seed=4)
    stretches = [random_samples(design, tokens=design.model.tokens + 6, seed=seed) for seed in (1, 2)]
    return requantizing_feeds(design, parameters, stretches, np.random.default_rng(0))


def test_multipliers_are_the_same_for_a_tensor_or_for_a_channel():
    found = feeds()
    assert set(found) == {"requantize_per_tensor", "requantize_per_channel"}
    tensor, channel = found["requantize_per_tensor"].inputs, found["requantize_per_channel"].inputs
    assert np.array_equal(tensor["a"], channel["a"]) and tensor["a"].shape[0] == LANES
    for factors in (tensor, channel):
        assert SUM.min <= factors["a"].min() < factors["a"].max() <= SUM.max
        assert 1 << 15 <= factors["b"].min() <= factors["b"].max() <= MULTIPLIER.max
        assert (factors["b"] == factors["b"][:1]).all()
    changes = [int((np.diff(factors["b"][0]) != 0).sum()) for factors in (tensor, channel)]
    assert changes[0] < 12 < changes[1]  # a change per part, a change per output


@pytest.mark.synth
@needs_osu018
def test_multipliers_that_change_with_every_output_take_more(tmp_path):
    found = measure_units(feeds(), find_process("osu018"), tmp_path)
    tensor, channel = (found[f"requantize_{name}"].pj["high"] for name in ("per_tensor", "per_channel"))
    assert 0 < tensor < channel
