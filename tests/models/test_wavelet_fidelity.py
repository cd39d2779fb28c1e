"""The integer bank's magnitudes follow whole float Morlet kernels, as the chosen designs promise, and longer kernels better."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.wavelet_fidelity import fidelity
from designs.catalogue import CATALOGUE
from designs.schema import TokenizerSpec

AT_LEAST = 0.98
BANKS = sorted(name for name, design in CATALOGUE.items() if not design.tokenizer.ready)


def bank(name: str, **changes: object) -> TokenizerSpec:
    spec = replace(CATALOGUE[name].tokenizer, channels=2, electrodes=(), spatial=None)
    return replace(spec, **changes)


def noise(spec: TokenizerSpec) -> np.ndarray:
    """int16 [samples, 2] of 200 tokens: as strong in every octave."""
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=(200 * spec.token_samples, 2)), axis=0)
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))[:, None]
    signal = np.fft.irfft(spectrum, axis=0)
    return np.clip(np.round(signal / signal.std() * 300), spec.sample.min, spec.sample.max).astype(np.int16)


@pytest.mark.parametrize("name", BANKS)
def test_every_wavelet_of_every_design_is_near_the_morlet_it_stands_for(name):
    spec = bank(name)
    assert fidelity(noise(spec), spec).min() >= AT_LEAST


def test_a_kernel_cut_off_too_early_is_seen():
    cut, whole = (bank("ind_int4", cycles=5.0, taps=taps) for taps in (14, 20))
    codes = noise(whole)
    assert fidelity(codes, cut).min() < AT_LEAST < fidelity(codes, whole).min()
