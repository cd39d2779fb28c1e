"""The floor: a closed-form case, the work it counts, and bare units that are fed, checked and weighed."""

from dataclasses import replace

import numpy as np
import pytest

from designs import layer_table
from designs.catalogue import CATALOGUE
from designs.ind_int4 import IND_INT4
from designs.ind_tiny import IND_TINY
from designs.layer_table import bank_macs
from designs.number_format import INT4, INT8, IntFormat
from designs.spikes_int4 import SPIKES_INT4
from hw.flow.floor import parts_of
from hw.flow.operands import (
    Factors,
    attention_factors,
    dense_factors,
    drawn,
    joined_trace,
    product_operands,
    stretches_to_trace,
    tap_operands,
)
from hw.flow.step import CheckFailed
from hw.flow.unit_energy import Feed, UnitEnergy, measure_units
from hw.plan.necessary_work import NecessaryWork, TapConstants, necessary_work
from hw.power.floor import floor
from hw.power.gate_simulator import LANES
from hw.reference.integer_units import BareMultiplier, ConstantProducts, IntegerMac
from hw.rtl.shift_add import signed_digits
from hw.targets import osu018
from hw.targets.choose import find_process
from hw.targets.process import Process, WireLoad
from rtl_sim.random_parameters import random_parameters, random_samples

needs_osu018 = pytest.mark.skipif(not osu018.CELLS.is_file(), reason="Debian package qflow-tech-osu018 is not installed")


def test_the_floor_is_counts_times_energies():
    found = floor(
        products={"8x4": 1000, "8x8": 500},
        product_pj={"8x4": 1.5, "8x8": 4.0},
        constants={"tap": 200},
        constant_pj={"tap": 0.5},
        weight_bits=4000,
        sample_bits=1200,
        read_pj_per_bit=0.75,
    )
    assert (found.products_nj, found.constants_nj, found.weights_nj, found.samples_nj) == pytest.approx((3.5, 0.1, 3.0, 0.9))
    assert found.total_nj == pytest.approx(7.5)
    assert found.power_uw(decisions_per_s=20) == pytest.approx(0.15)


def test_an_energy_that_is_missing_is_not_zero():
    with pytest.raises(KeyError):
        floor(products={"a": 1}, product_pj={}, constants={}, constant_pj={}, weight_bits=0, sample_bits=0, read_pj_per_bit=1.0)


def test_a_design_s_floor_by_hand():
    unit = UnitEnergy({"high": 2.0}, 0.0, 0.0)
    work = NecessaryWork({(INT8, INT4): 10}, (TapConstants("added_0", (3,), 5.0),), weight_bits=8, sample_bits=4)
    found = parts_of(work, {"multiply_INT8_INT4": unit, "added_0": unit}, "high", 0.5)
    assert found.total_nj == pytest.approx((10 * 2 + 5 * 2 + (8 + 4) * 0.5) / 1e3)


@pytest.mark.parametrize("design", CATALOGUE.values(), ids=lambda design: design.name)
def test_the_work_of_every_design_is_that_of_the_layer_table(design):
    work = necessary_work(design)
    attention = 2 * layer_table.linear_layer(design, "block0_query").tokens * design.model.embed_dim**2 * design.model.layers
    spatial = design.tokenizer.spatial.virtual_channels if design.tokenizer.spatial else 0
    mixed = spatial * design.tokenizer.channels * design.tokenizer.token_samples
    assert sum(work.products.values()) == sum(layer.macs for layer in layer_table.linear_layers(design)) + attention + mixed
    assert work.sample_bits == design.tokenizer.channels * design.tokenizer.token_samples * design.tokenizer.input.bits
    assert bool(work.taps) == (not design.tokenizer.ready)
    # folded in the middle: half the multiplications of the bank, but for the decimator's middle tap, which has no twin
    multiplications = sum(tap.per_decision * len(tap.constants) for tap in work.taps)
    assert multiplications == pytest.approx(bank_macs(design) / 2, rel=0.06)


def test_the_work_of_ind_int4():
    work = necessary_work(IND_INT4)
    assert work.weight_bits == 4 * (320 * 32 + 2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 4)
    assert work.sample_bits == 32 * 60 * 12
    assert work.products[INT8, INT4] == 10 * 2 * (4 * 32 * 32 + 32 * 64) + 32 * 4
    steps = next(tap.per_decision for tap in work.taps if tap.name == "added_0")
    assert steps == 32 * 30 * (1 + 1 / 2 + 1 / 4 + 1 / 8 + 1 / 16)
    assert [tap.constants for tap in work.taps if tap.name.startswith("half_band")] == [(3,), (-25,), (150,), (256,)]
    assert necessary_work(SPIKES_INT4).taps == ()


def decoded(design):
    parameters = random_parameters(design, seed=4)
    return parameters, [random_samples(design, tokens=design.model.tokens + 6, seed=seed) for seed in (1, 2)]


@pytest.mark.parametrize("name", ["ind_tiny", "ind_int8", "eeg_mixed_int4", "spikes_int4"])
def test_operands_are_in_their_formats_and_sums_are_whole(name):
    design = CATALOGUE[name]
    parameters, stretches = decoded(design)
    found = product_operands(design, parameters, stretches, np.random.default_rng(0))
    assert set(found) == set(necessary_work(design).products)
    for (a, b), factors in found.items():
        assert factors.a.shape == factors.b.shape == factors.first.shape
        assert len(factors.a) == LANES and factors.a.shape[1] > 100
        assert a.min <= factors.a.min() <= factors.a.max() <= a.max and b.min <= factors.b.min() <= factors.b.max() <= b.max
        assert (factors.first[:, 0] == 1).all()
    if not design.tokenizer.ready:
        folded = IntFormat(design.tokenizer.sample.bits + 1)
        taps = tap_operands(design, parameters, stretches, np.random.default_rng(0))
        assert set(taps) == {tap.name for tap in necessary_work(design).taps}
        for values in taps.values():
            assert folded.min <= values.min() < values.max() <= folded.max


def test_a_decoder_token_by_token_has_its_operands_too():
    """No window, rows of single tokens, the state a boundary: the shapes of a decoder whose states run on."""
    design, rng = IND_TINY, np.random.default_rng(0)
    parameters, stretches = decoded(design)
    width, trace = design.model.embed_dim, joined_trace(stretches, parameters)
    single = {name: rows[:, -1] if rows.ndim == 3 else rows for name, rows in trace.items() if name != "window"}
    single["block0_state"] = rng.integers(-128, 128, (len(single["pool"]), width, width))
    for layer, factors in dense_factors(design, parameters, single):
        assert factors.rows.shape[1] == layer.inputs
    (_, making), (_, reading) = attention_factors(design, parameters, single)
    drawn_state = drawn([making], rng)
    assert (drawn_state.b.reshape(LANES, -1, width) == drawn_state.b.reshape(LANES, -1, width)[..., :1]).all()
    assert reading.columns.shape == single["block0_state"].shape


def test_a_sum_is_a_row_times_a_column():
    rows, columns = np.arange(12).reshape(3, 4), 100 + np.arange(8).reshape(2, 4)
    found = drawn([Factors(8, rows, columns)], np.random.default_rng(1))
    assert found.first.reshape(LANES, -1, 4).tolist() == np.broadcast_to([1, 0, 0, 0], (LANES, 128, 4)).tolist()
    for run in found.a.reshape(-1, 4):
        assert run.tolist() in rows.tolist()
    for run in found.b.reshape(-1, 4):
        assert run.tolist() in columns.tolist()


def test_stretches_hold_whole_windows():
    class Found:
        streams = (np.zeros((96 * 4, 4), np.int16), np.zeros((96, 4), np.int16))

        def test_streams(self):
            return [0, 1]

    assert [len(stretch) for stretch in stretches_to_trace(Found(), IND_TINY)] == [96 * 4]


def units(rng: np.random.Generator) -> dict[str, Feed]:
    a, b = rng.integers(-128, 128, (LANES, 300)), rng.integers(-8, 8, (LANES, 300))
    first = np.zeros((LANES, 300), np.int64)
    first[:, ::100] = 1
    sums = np.concatenate([np.cumsum(a[:, at : at + 100] * b[:, at : at + 100], axis=1) for at in (0, 100, 200)], axis=1)
    constants = ConstantProducts(INT8, (0, 1, -25, 100))
    return {
        "random": Feed(BareMultiplier(INT8, INT4), {"a": a, "b": b}, {"o": a * b}),
        "still": Feed(BareMultiplier(INT8, INT4), {"a": a[:, :1], "b": b[:, :1]}, {"o": (a * b)[:, :1]}),
        "slow": Feed(BareMultiplier(INT8, INT4), {"a": a, "b": 0 * b + 3}, {"o": 3 * a}),
        "constants": Feed(constants, {"a": a}, {f"o_{i}": c * a for i, c in enumerate(constants.constants)}),
        "mac": Feed(IntegerMac(a_bits=8, b_bits=4, sum_bits=20), {"a": a, "b": b, "first": first}, {"o": sums}),
    }


@pytest.mark.synth
@needs_osu018
def test_units_give_what_they_must_and_take_what_their_operands_make_them(tmp_path):
    found = measure_units(units(np.random.default_rng(7)), find_process("osu018"), tmp_path)
    for name, unit in found.items():
        if name != "still":
            assert 0 < unit.pj["low"] <= unit.pj["mid"] <= unit.pj["high"], name
    assert found["still"].pj["high"] == 0  # its operands are there from the beginning and never change
    assert found["slow"].pj["low"] < 0.8 * found["random"].pj["low"]
    assert found["mac"].pj["low"] > found["random"].pj["low"]
    assert found["mac"].area_um2 > found["random"].area_um2 == pytest.approx(found["slow"].area_um2, rel=0.1)


def longer_in_larger_blocks(process: Process) -> Process:
    """Wires that grow with any area, as those of IHP's library do from table to table."""
    limits = [100 * 1.05**step for step in range(200)]
    return replace(process, wire_loads=tuple((limit, WireLoad("", ((1, limit * 1e-6),), "")) for limit in limits))


@pytest.mark.synth
@needs_osu018
def test_a_unit_takes_the_same_beside_others(tmp_path):
    feeds, process = units(np.random.default_rng(7)), longer_in_larger_blocks(find_process("osu018"))
    beside = measure_units(feeds, process, tmp_path / "beside")
    for name in ("random", "mac"):
        [alone] = measure_units({name: feeds[name]}, process, tmp_path / name).values()
        assert alone.area_um2 == pytest.approx(beside[name].area_um2)
        assert alone.pj == pytest.approx(beside[name].pj, rel=1e-3), name


@pytest.mark.synth
@needs_osu018
def test_a_unit_that_gives_anything_else_is_refused(tmp_path):
    a = np.random.default_rng(7).integers(-128, 128, (LANES, 40))
    wrong = a * a
    wrong[5, 17] += 1
    feed = Feed(BareMultiplier(INT8, INT8), {"a": a, "b": a}, {"o": wrong})
    with pytest.raises(CheckFailed, match="square: o of operation 17 in lane 5 is"):
        measure_units({"square": feed}, find_process("osu018"), tmp_path)


def test_a_constant_of_one_digit_is_wires():
    assert [len(signed_digits(abs(constant))) for constant in (0, 1, 25, 100)] == [0, 1, 3, 3]
