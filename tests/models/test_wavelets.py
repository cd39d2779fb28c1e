"""The float bank against the integer bank: same frequencies, same lag, nearly the same magnitudes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from designs.catalogue import CATALOGUE
from designs.ind_int4 import IND_INT4
from designs.ind_tiny import IND_TINY
from designs.schema import HIGHEST_CENTRE, LOWEST_CENTRE
from models.wavelets import centre_hz, float_tokens, stride_samples
from quant.golden.morlet import morlet_kernels
from quant.golden.pool import pooled_magnitudes

WITH_WAVELETS = sorted(name for name, design in CATALOGUE.items() if design.tokenizer.signal == "voltage")
LEAST_CORRELATION = 0.93
"""Measured on coloured noise, 12 bits: worst wavelet 0.95, most above 0.98 (see the test below)."""


def coloured_noise(samples: int, channels: int, seed: int) -> np.ndarray:
    """int64 [samples, channels]: pink-like codes whose size varies from second to second."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((samples, channels)), axis=0)
    spectrum /= np.maximum(np.arange(len(spectrum))[:, None], 20) ** 0.7
    noise = np.fft.irfft(spectrum, samples, axis=0)
    size = np.exp(0.5 * np.repeat(rng.standard_normal((samples // 300 + 1, channels)), 300, axis=0)[:samples])
    return np.round(250 * noise / noise.std() * size).clip(-2048, 2047).astype(np.int64)


LEARNED = {
    "ind_tiny": replace(IND_TINY.tokenizer, centres=(0.2311,)),
    "ind_int4": replace(IND_INT4.tokenizer, centres=(0.2893, 0.1127)),
    "highest_and_lowest": replace(IND_TINY.tokenizer, wavelets=8, centres=(HIGHEST_CENTRE, LOWEST_CENTRE)),
}
TWINS = {"even ind_tiny": IND_TINY.tokenizer, "even ind_int4": IND_INT4.tokenizer} | LEARNED


@pytest.mark.parametrize("name", TWINS)
def test_every_wavelet_follows_its_integer_twin(name):
    spec = TWINS[name]
    codes = coloured_noise(spec.token_samples * 400, spec.channels, seed=5)
    whole = pooled_magnitudes(codes, spec).astype(float)
    found = float_tokens(torch.from_numpy(codes).float(), spec).numpy().reshape(whole.shape)
    for wavelet in range(spec.wavelets):
        each = [np.corrcoef(whole[5:, c, wavelet], found[5:, c, wavelet])[0, 1] for c in range(spec.channels)]
        assert np.mean(each) > LEAST_CORRELATION, f"wavelet {wavelet}"


@pytest.mark.parametrize("name", WITH_WAVELETS)
def test_centre_frequencies_are_those_of_the_integer_bank(name):
    spec = CATALOGUE[name].tokenizer
    octaves = [spec.sample_hz / 2**octave * kernel.centre for octave in range(spec.octaves) for kernel in morlet_kernels(spec)]
    assert np.allclose(centre_hz(spec), octaves)


@pytest.mark.parametrize("name", LEARNED)
def test_learned_centres_are_those_of_both_banks_in_every_octave(name):
    spec = LEARNED[name]
    assert tuple(kernel.centre for kernel in morlet_kernels(spec)) == spec.centres
    octaves = np.array(centre_hz(spec)).reshape(spec.octaves, -1)
    assert np.allclose(octaves, spec.sample_hz * np.outer(0.5 ** np.arange(spec.octaves), spec.centres))


def test_even_spacing_written_out_is_even_spacing():
    spec = IND_INT4.tokenizer
    same = replace(spec, centres=(0.25, 0.25 * 2**-0.5))
    assert morlet_kernels(same) == morlet_kernels(spec)
    codes = torch.from_numpy(coloured_noise(spec.token_samples * 5, 2, seed=3)).float()
    assert torch.equal(float_tokens(codes, same), float_tokens(codes, spec))


def test_a_tone_at_a_learned_centre_has_its_own_amplitude():
    spec = replace(IND_TINY.tokenizer, centres=(0.2011,))
    for wavelet, hz in enumerate(centre_hz(spec)):
        tone = 100 * torch.sin(2 * torch.pi * hz * torch.arange(6000) / spec.sample_hz)
        assert 95 < float_tokens(tone[:, None], spec)[30, wavelet] < 105


def test_a_tone_at_a_centre_frequency_has_its_own_amplitude_and_is_largest_there():
    spec = IND_TINY.tokenizer
    for wavelet, hz in enumerate(centre_hz(spec)):
        tone = 100 * torch.sin(2 * torch.pi * hz * torch.arange(6000) / spec.sample_hz)
        token = float_tokens(tone[:, None].expand(-1, 4), spec)[30].reshape(4, -1)[0]
        assert token.argmax() == wavelet
        assert 95 < token[wavelet] < 105


def test_tokens_look_at_no_later_sample():
    spec = IND_TINY.tokenizer
    codes = torch.from_numpy(coloured_noise(spec.token_samples * 20, 4, seed=1)).float()
    changed = codes.clone()
    changed[10 * spec.token_samples :] = 7
    assert torch.allclose(float_tokens(codes, spec)[:10], float_tokens(changed, spec)[:10], atol=1e-3)
    assert not torch.allclose(float_tokens(codes, spec)[10], float_tokens(changed, spec)[10], atol=1e-3)


def test_only_whole_tokens_are_returned():
    spec = IND_TINY.tokenizer
    assert float_tokens(torch.ones(spec.token_samples - 1, 4), spec).shape == (0, spec.features)
    assert float_tokens(torch.ones(2 * spec.token_samples + 5, 4), spec).shape == (2, spec.features)


@pytest.mark.parametrize("name", WITH_WAVELETS)
def test_points_fill_a_token_exactly(name):
    spec = CATALOGUE[name].tokenizer
    assert all(spec.token_samples % stride_samples(spec, octave) == 0 for octave in range(spec.octaves))
