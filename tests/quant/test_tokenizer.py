"""The integer tokenizer: the vectorised golden model equals a sample-by-sample one, and its parts keep their promises."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from designs.catalogue import CATALOGUE
from designs.layer_table import DECIMATOR_TAPS, bank_macs
from designs.number_format import IntFormat
from quant.golden.magnitude import magnitude
from quant.golden.morlet import HALF_BAND, HALF_BAND_SHIFT, kernel_shift, morlet_kernels
from quant.golden.pool import pool_weights, pooled_magnitudes, tokenize
from quant.golden.requantize import requantize

_spec = importlib.util.spec_from_file_location("streaming_tokenizer", Path(__file__).with_name("streaming_tokenizer.py"))
streaming_tokenizer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(streaming_tokenizer)

TOKENIZERS = {name: design.tokenizer for name, design in CATALOGUE.items() if not design.tokenizer.ready}
TOKENIZERS["learned_centres"] = replace(CATALOGUE["ind_tiny"].tokenizer, wavelets=8, centres=(0.2873, 0.1319))
# A token that no octave's step divides: pooled magnitudes reach over the border between tokens.
TOKENIZERS["odd_token"] = replace(CATALOGUE["ind_tiny"].tokenizer, token_ms=90)


def samples_of(kind: str, spec, seed: int, tokens: int) -> np.ndarray:
    rng, shape = np.random.default_rng(seed), (tokens * spec.token_samples + 3, 2)
    if kind == "random":
        return rng.integers(spec.sample.min, spec.sample.max + 1, shape)
    if kind == "extreme":
        return np.where(rng.integers(0, 2, shape), spec.sample.max, spec.sample.min)
    return np.full(shape, spec.sample.min)


@pytest.mark.parametrize("kind", ["random", "extreme", "constant"])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_golden_tokenizer_equals_a_streaming_one(name, kind):
    spec = TOKENIZERS[name]
    samples = samples_of(kind, spec, seed=1, tokens=3)
    assert np.array_equal(pooled_magnitudes(samples, spec), streaming_tokenizer.streamed_magnitudes(samples, spec))


@pytest.mark.parametrize("name", TOKENIZERS)
def test_pool_weights_share_every_step_between_two_tokens_and_fill_each_token(name):
    spec = TOKENIZERS[name]
    for octave in range(spec.octaves):
        rows, reach, unit = pool_weights(spec, octave), 1 << octave, spec.pool_unit_pairs(octave)
        carried, steps = 0, range(0, 8 * spec.token_pairs, reach)
        sums = [0] * 9
        for m in steps:
            now, following, last = rows[m % spec.token_pairs]
            assert now + following == reach // unit
            sums[m // spec.token_pairs] += now
            sums[m // spec.token_pairs + 1] += following
            carried += last
        assert sums[:8] == [spec.token_pairs // unit] * 8
        assert carried == 8


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_pooled_magnitude_fits_its_format_when_every_sample_is_extreme(name):
    spec = TOKENIZERS[name]
    for kernel in morlet_kernels(spec):
        for part in (kernel.even, kernel.odd):
            worst = sum(abs(tap) for tap in part) * -spec.sample.min
            assert (worst + (1 << kernel_shift(spec) >> 1)) >> kernel_shift(spec) <= spec.magnitude.max
    for octave in range(spec.octaves):
        assert spec.token_pairs // spec.pool_unit_pairs(octave) * spec.magnitude.max <= spec.pool.max


@given(st.integers(-(2**16), 2**16), st.integers(-(2**16), 2**16))
def test_the_magnitude_is_within_its_stated_error(cosine, sine):
    found, exact = int(magnitude(np.array([cosine, sine]))), np.hypot(cosine, sine)
    assert exact * 0.97 - 2 <= found <= exact * 1.008 + 2


@settings(max_examples=50)
@given(st.integers(0, 31), st.integers(0, 2**21 - 1))
def test_a_token_is_the_pooled_magnitude_rounded_half_up(shift, value):
    spec = CATALOGUE["ind_tiny"].tokenizer
    assert requantize(np.array(value), shift, spec.token) == min((value + ((1 << shift) >> 1)) >> shift, spec.token.max)


def test_tokens_are_requantized_by_the_shift_of_their_own_feature():
    spec = CATALOGUE["ind_tiny"].tokenizer
    rng = np.random.default_rng(3)
    samples = rng.integers(-2048, 2048, (2 * spec.token_samples, spec.channels))
    shift = rng.integers(6, 14, (spec.channels, spec.wavelets))
    pooled, tokens = pooled_magnitudes(samples, spec), tokenize(samples, spec, shift)
    for channel in range(spec.channels):
        for wavelet in range(spec.wavelets):
            expected = requantize(pooled[:, channel, wavelet], int(shift[channel, wavelet]), spec.token)
            assert np.array_equal(tokens[:, channel * spec.wavelets + wavelet], expected)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_kernels_fit_their_bits_cosine_sums_to_zero_and_sine_is_odd(name):
    spec = TOKENIZERS[name]
    taps = IntFormat(spec.kernel_bits)
    for kernel in morlet_kernels(spec):
        assert sum(kernel.even) == 0 and kernel.even == kernel.even[::-1]
        assert kernel.odd == tuple(-tap for tap in kernel.odd[::-1])
        assert all(taps.min <= tap <= taps.max for tap in kernel.even + kernel.odd)


def test_the_banks_multiply_adds_are_those_of_a_second_of_every_octave():
    # 32 channels at 600 Hz, in pairs; 5 octaves of 2 wavelets, 14 taps of cosine and sine; a token in 100 ms
    kernels = sum(300 / 2**octave * 2 * 2 * 14 for octave in range(5))
    decimators = sum(300 / 2**octave * 7 for octave in range(4))
    assert bank_macs(CATALOGUE["ind_int4"]) == 32 * (kernels + decimators) / 10
    assert bank_macs(CATALOGUE["spikes_int4"]) == 0


def test_the_half_band_filter_has_unit_gain_and_every_second_tap_zero_but_the_middle():
    assert sum(HALF_BAND) == 1 << HALF_BAND_SHIFT
    assert np.count_nonzero(HALF_BAND) == DECIMATOR_TAPS
    assert [tap for i, tap in enumerate(HALF_BAND) if i % 2 == 1] == [0, 0, 256, 0, 0]


def test_fewer_samples_than_a_token_give_no_token():
    spec = CATALOGUE["ind_tiny"].tokenizer
    assert pooled_magnitudes(np.zeros((spec.token_samples - 1, spec.channels), np.int64), spec).shape == (0, 4, spec.wavelets)
