"""The rounding rule against exact fractions, and the formats that are said never to overflow."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from designs.catalogue import CATALOGUE
from designs.layer_table import attention_sum, key_value_sum, linear_layers, token_sum
from designs.number_format import IntFormat, enclosing, product_sum
from quant.golden.argmax import argmax
from quant.golden.requantize import requantize, round_shift
from quant.golden.residual import residual

FORMATS = st.builds(IntFormat, st.integers(2, 12), st.booleans())


def half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=20), st.integers(0, 31), FORMATS)
def test_requantize_is_the_exact_fraction_rounded_half_up_then_saturated(acc, shift, out):
    expected = [min(max(half_up(Fraction(value, 2**shift)), out.min), out.max) for value in acc]
    assert requantize(np.array(acc), shift, out).tolist() == expected


@pytest.mark.parametrize("shift", range(1, 9))
def test_every_tie_goes_up(shift):
    ties = np.arange(-8, 8) * (1 << shift) + (1 << (shift - 1))
    assert round_shift(ties, shift).tolist() == list(range(-7, 9))


def test_shift_zero_changes_nothing():
    values = np.arange(-300, 300)
    assert np.array_equal(round_shift(values, 0), values)


@given(st.integers(-128, 127), st.integers(-128, 127))
def test_residual_saturates_and_never_wraps(stream, update):
    assert residual(np.array(stream), np.array(update), IntFormat(8)) == min(max(stream + update, -128), 127)


@given(FORMATS, FORMATS, st.integers(1, 400))
def test_product_sum_holds_every_extreme_and_is_the_narrowest(a, b, terms):
    fmt = product_sum(a, b, terms)
    extremes = [terms * x * y for x in (a.min, a.max) for y in (b.min, b.max)]
    assert fmt.min <= min(extremes) and max(extremes) <= fmt.max
    narrower = IntFormat(fmt.bits - 1) if fmt.bits > 1 else fmt
    assert fmt.bits == 1 or min(extremes) < narrower.min or max(extremes) > narrower.max


@given(st.integers(-(2**50), 0), st.integers(0, 2**50))
def test_enclosing_holds_both_ends(low, high):
    fmt = enclosing(low, high)
    assert fmt.min <= low and high <= fmt.max


@pytest.mark.parametrize("name", CATALOGUE)
def test_no_accumulator_overflows_at_extreme_inputs_weights_and_biases(name):
    for layer in linear_layers(CATALOGUE[name]):
        for x in (layer.input.min, layer.input.max):
            for w in (layer.weight.min, layer.weight.max):
                acc = np.full(layer.inputs, x, np.int64) @ np.full(layer.inputs, w, np.int64)
                assert layer.bias.min <= acc <= layer.bias.max, layer.name
                for bias in (layer.bias.min, layer.bias.max):
                    assert layer.acc.min <= acc + bias <= layer.acc.max, layer.name


@pytest.mark.parametrize("name", CATALOGUE)
def test_attention_and_mean_sums_hold_their_extremes(name):
    design = CATALOGUE[name]
    quant, model = design.quant, design.model
    for fmt, terms, a, b in (
        (key_value_sum(design), model.tokens, quant.activation.unsigned(), quant.activation),
        (attention_sum(design), model.embed_dim, quant.activation.unsigned(), quant.stream),
    ):
        assert fmt.min <= terms * a.max * b.min and terms * a.max * b.max <= fmt.max
    assert token_sum(design).min <= model.tokens * quant.stream.min
    assert model.tokens * quant.stream.max <= token_sum(design).max


def test_argmax_takes_the_first_of_equals():
    assert argmax(np.array([[1, 5, 5, 2], [-3, -3, -3, -3]])).tolist() == [[1], [0]]
