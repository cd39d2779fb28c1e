"""Multirate Morlet bank: samples -> filter sums, each octave at half the rate of the last (docs/blocks/wavelet_bank.md)."""

from collections.abc import Iterator

import numpy as np

from designs.schema import TokenizerSpec
from quant.golden.morlet import HALF_BAND, HALF_BAND_SHIFT, kernel_shift, morlet_kernels
from quant.golden.requantize import requantize, round_shift


def decimate(samples: np.ndarray, spec: TokenizerSpec) -> np.ndarray:
    """[samples, channels] -> [samples // 2, channels]: output i is the half-band sum that ends at input 2 i - 1.

    History before the first sample is zero. Half up, saturated to the sample format.
    """
    outputs = len(samples) // 2
    history = np.concatenate([np.zeros((len(HALF_BAND) + 1, samples.shape[1]), np.int64), samples])
    acc = np.zeros((outputs, samples.shape[1]), np.int64)
    for tap, weight in enumerate(HALF_BAND):
        if weight:
            acc += weight * history[tap + 1 : tap + 1 + 2 * outputs : 2]
    return requantize(acc, HALF_BAND_SHIFT, spec.sample)


def filter_sums(samples: np.ndarray, spec: TokenizerSpec) -> np.ndarray:
    """One octave: [samples, channels] -> int64 [samples // 2, channels, wavelets_per_octave, 2] (cosine, sine).

    Step k looks at the `taps` samples that end with sample 2 k + 1; sums are rounded to `fraction_bits` below a sample.
    """
    steps, channels = len(samples) // 2, samples.shape[1]
    history = np.concatenate([np.zeros((spec.taps - 2, channels), np.int64), samples])
    sums = np.zeros((steps, channels, spec.wavelets_per_octave, 2), np.int64)
    for tap in range(spec.taps):
        column = history[tap : tap + 2 * steps : 2]
        for j, kernel in enumerate(morlet_kernels(spec)):
            sums[:, :, j, 0] += kernel.even[tap] * column
            sums[:, :, j, 1] += kernel.odd[tap] * column
    return round_shift(sums, kernel_shift(spec))


def octave_samples(samples: np.ndarray, spec: TokenizerSpec) -> Iterator[np.ndarray]:
    """Samples [samples, channels] -> the same signal at each octave's rate, highest first.

    Octave o is stepped at every sample pair m with m % 2 ** o == 0, its step k at m = k 2 ** o.
    """
    pairs = len(samples) // 2
    current = np.asarray(samples[: 2 * pairs], np.int64)
    for octave in range(spec.octaves):
        if octave:
            steps = -(-pairs // (1 << octave))
            padded = np.concatenate([current, np.zeros((max(0, 4 * steps - len(current)), current.shape[1]), np.int64)])
            current = decimate(padded[: 4 * steps], spec)
        yield current
