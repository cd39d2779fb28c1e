"""The plan gives every stage the fewest multipliers that keep the budget, and refuses what cannot work."""

import re
from dataclasses import replace

import pytest

from designs.catalogue import CATALOGUE
from designs.layer_table import LinearLayer, linear_layer, linear_layers
from designs.number_format import INT4, INT8
from designs.schema import Design, DesignError
from hw.plan.cycles import pace, plan_cycles, slowest, tokenizer_cycles
from hw.plan.folding import Folding, check_folding, divisors, fold, fold_attention, fold_linear, linear_cycles, word_bits
from rtl_sim.backends import WINDOWED, with_backend

DESIGNS = [with_backend(name, "amaranth") for name in WINDOWED]
IMPLANT = with_backend("ind_int4", "amaranth")


def with_budget(design: Design, cycles: int) -> Design:
    return replace(design, hardware=replace(design.hardware, stage_cycles=cycles))


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_every_stage_of_a_named_design_keeps_its_budget(design: Design) -> None:
    folding = fold(design)
    check_folding(design, folding)
    cycles = plan_cycles(design, folding)
    tokenizer = cycles.pop("tokenizer")  # has no multipliers to choose: samples set its pace
    assert cycles[slowest(cycles)] <= design.hardware.stage_cycles
    assert tokenizer <= design.hardware.clock_khz * design.tokenizer.token_ms
    assert pace(design, folding) == max(tokenizer, cycles[slowest(cycles)])


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_no_layer_gets_more_outputs_side_by_side_than_it_needs(design: Design) -> None:
    for layer in linear_layers(design):
        found = fold(design)[layer.name]
        slower = [Folding(pe, found.simd) for pe in divisors(layer.outputs) if pe < found.pe]
        assert all(linear_cycles(layer, folding) > design.hardware.stage_cycles for folding in slower)


def test_simd_is_used_only_where_outputs_alone_are_not_enough() -> None:
    assert {folding.simd for folding in fold(IMPLANT).values()} == {1}
    prime = LinearLayer("prime", 32, 37, 10, INT8, INT4, INT8)  # 37 outputs side by side would need words of 148 bits
    assert fold_linear(with_budget(IMPLANT, 5200), prime) == Folding(1, 4)
    assert fold_linear(IMPLANT, prime) == Folding(1, 8)


def test_weight_words_fit_the_load_bus() -> None:
    fastest = with_budget(with_backend("ind_int8", "amaranth"), 2560)
    words = [word_bits(layer, fold(fastest)[layer.name]) for layer in linear_layers(fastest)]
    assert max(words) == 64


def test_the_planned_multipliers_of_the_implant() -> None:
    folding = fold(IMPLANT)
    assert folding["embed"] == Folding(4)
    assert folding["block0_expand"] == Folding(8)
    assert folding["block1_attention"] == Folding(8)
    assert folding["readout"] == Folding(1)


def test_a_budget_no_folding_can_keep_is_refused_with_the_number_that_works() -> None:
    expected = "ind_int4: block0_expand needs at least 1280 cycles, hardware.stage_cycles=1279; raise it to 1280"
    with pytest.raises(DesignError, match=re.escape(expected)):
        fold(with_budget(IMPLANT, 1279))
    assert fold(with_budget(IMPLANT, 1280))["block0_expand"].multipliers == 16


def test_attention_that_cannot_keep_the_budget_is_refused() -> None:
    expected = "ind_int4: attention needs at least 640 cycles, hardware.stage_cycles=600; raise it to 640"
    with pytest.raises(DesignError, match=re.escape(expected)):
        fold_attention(with_budget(IMPLANT, 600))


@pytest.mark.parametrize(
    ("stage", "folding", "message"),
    [
        (
            "block0_query",
            Folding(6),
            "ind_int4: block0_query outputs=32 is not a multiple of folding.pe=6; use 1, 2, 4, 8, 16 or 32",
        ),
        ("block0_query", Folding(2, 5), "ind_int4: block0_query inputs=32 is not a multiple of folding.simd=5; use 1, 2, 4,"),
        (
            "block0_query",
            Folding(8, 4),
            "pe=8 times simd=4 weights of 4 bits make words of 128 bits; use at most 16",
        ),
        ("block1_attention", Folding(3), "ind_int4: block1_attention embed_dim=32 is not a multiple of folding.pe=3; use 1, 2"),
        ("block0_query", Folding(0), "ind_int4: block0_query outputs=32 is not a multiple of folding.pe=0"),
        ("blok0", Folding(1), "ind_int4: folding of blok0 is missing or of no stage; the stages are embed, block0_query,"),
    ],
)
def test_an_illegal_folding_is_refused(stage: str, folding: Folding, message: str) -> None:
    with pytest.raises(DesignError, match=re.escape(message)):
        check_folding(IMPLANT, fold(IMPLANT) | {stage: folding})


def test_tokenizer_cycles_are_counted_over_whole_steps_of_every_octave() -> None:
    spec = IMPLANT.tokenizer
    steps = sum(1 for m in range(16 * 30) for octave in range(5) if m % 2**octave == 0)
    assert tokenizer_cycles(spec) == 32 * (16 * 30 + 2 * steps) / 16 == 4680


def test_a_layer_is_never_faster_than_its_streams() -> None:
    layer = linear_layer(CATALOGUE["ind_tiny"], "embed")
    assert linear_cycles(layer, Folding(8, 2)) == layer.inputs
