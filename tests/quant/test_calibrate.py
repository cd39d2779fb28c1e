"""Exponents by squared error, token shifts by quantile, standardisation folded into the embedding."""

import numpy as np
import pytest
import torch
from random_decoders import DESIGNS, random_decoder, windows

from designs.number_format import INT4, INT8, UINT4, UINT8
from models.ind import Ind
from quant.calibrate import best_exponent, float_boundaries, from_float
from quant.fine_tune import to_tokens
from quant.quantizers import HalfUp, quant_activation, scale_log2, set_scale_log2, to_integers
from quant.token_shift import balanced_shift, fitting_shift

TINY = DESIGNS["int4"]


def test_half_up_rounds_ties_up_and_lets_gradients_through():
    values = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49, -0.51], requires_grad=True)
    rounded = HalfUp()(values)
    assert rounded.tolist() == [-2, -1, 0, 1, 2, 3, 0, -1]
    rounded.sum().backward()
    assert values.grad.tolist() == [1] * 8


@pytest.mark.parametrize("fmt", [INT4, UINT4, INT8, UINT8])
@pytest.mark.parametrize("exponent", [-9, -1, 0, 3])
def test_a_quantizer_gives_the_integers_of_its_format_at_its_exponent(fmt, exponent):
    quantizer = quant_activation(fmt).eval()
    set_scale_log2(quantizer, fmt, exponent)
    assert scale_log2(quantizer, fmt) == exponent
    units = torch.arange(-4 * fmt.max - 3, 4 * fmt.max + 3) / 4
    expected = torch.floor(units + 0.5).clamp(fmt.min, fmt.max).to(torch.int64)
    assert torch.equal(to_integers(quantizer(units * 2.0**exponent)), expected)


@pytest.mark.parametrize("fmt", [INT4, UINT4, INT8])
def test_best_exponent_has_the_least_squared_error_of_all(fmt):
    values = torch.randn(5000, generator=torch.Generator().manual_seed(1)).abs() ** 1.5
    errors = {}
    for exponent in range(-14, 8):
        step = 2.0**exponent
        errors[exponent] = float(((torch.floor(values / step + 0.5).clamp(fmt.min, fmt.max) * step - values) ** 2).sum())
    assert best_exponent(values, fmt) == min(errors, key=lambda exponent: errors[exponent])


def test_best_exponent_of_zeros_is_a_number():
    assert isinstance(best_exponent(torch.zeros(10), INT4), int)


def test_token_shift_lets_the_quantile_just_fit():
    pooled = np.random.default_rng(0).integers(0, 1 << 20, (4000, 4, 4)) >> np.arange(16).reshape(4, 4)
    shift = fitting_shift(pooled, TINY.tokenizer)
    high = np.quantile(pooled, 0.995, axis=0)
    assert (high / 2.0**shift <= 255.5).all()
    assert ((high / 2.0 ** (shift - 1) > 255) | (shift == 0)).all()
    assert (fitting_shift(np.zeros((9, 4, 4), np.int64), TINY.tokenizer) == 0).all()


def test_balanced_shifts_keep_faint_weights_from_rounding_to_zero():
    rng = np.random.default_rng(0)
    deviation = 2.0 ** rng.integers(9, 14, 40)
    fitting = np.ceil(np.log2(deviation * 4 / 255)).astype(np.int64)
    weight = rng.normal(0, 1, (8, 40)) * 2.0 ** -rng.integers(0, 5, 40) / deviation

    def error(shift):
        scaled = weight * 2.0**shift
        step = 2.0 ** np.arange(-20, 4)[:, None, None]
        off = np.clip(np.floor(scaled / step + 0.5), INT4.min, INT4.max) * step - scaled
        return ((off * deviation / 2.0**shift) ** 2).sum(axis=(1, 2)).min() + (scaled**2).sum() / 12

    balanced = balanced_shift(fitting, deviation, weight, INT4, 31)
    assert (balanced >= fitting).all() and error(balanced) < error(fitting) / 2.5
    for j in range(0, 40, 7):  # no single feature does better elsewhere
        for choice in range(6):
            moved = balanced.copy()
            moved[j] = fitting[j] + choice
            assert error(moved) >= error(balanced) * (1 - 1e-12)
    assert (balanced_shift(fitting, deviation, 0 * weight, INT4, 31) == fitting).all()


def test_folding_the_standardisation_changes_no_logit_and_silences_dead_features():
    torch.manual_seed(0)
    ind = Ind(TINY)
    tokens = torch.from_numpy(windows(TINY, 50)).float()
    centre, scale = tokens.flatten(0, 1).mean(0), tokens.flatten(0, 1).std(0)
    scale[3] = torch.inf
    folded = from_float(ind, centre, scale, TINY)
    assert (folded.embed.weight[:, 3] == 0).all()
    logits = folded.readout.weight @ float_boundaries(folded, tokens)["pool"].T + folded.readout.bias[:, None]
    assert torch.allclose(logits.T, ind((tokens - centre) / scale), atol=1e-4)


def test_standardised_values_come_back_as_their_tokens():
    from models.standardise import Standardisation

    tokens = torch.from_numpy(windows(TINY, 50)).float()
    standardisation = Standardisation(tokens.flatten(0, 1).median(0).values, tokens.flatten(0, 1).std(0))
    assert torch.equal(to_tokens(standardisation(tokens), standardisation, TINY), tokens)
    assert to_tokens(torch.full((1, 1, 16), 1e6), standardisation, TINY).unique().tolist() == [255]


def test_the_quantized_decoder_keeps_the_parameter_names_of_the_float_one():
    names = set(dict(Ind(TINY).named_parameters()))
    assert names <= set(dict(random_decoder(TINY).named_parameters()))
