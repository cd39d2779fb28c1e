"""The tokenizer as hardware runs it: one sample pair at a time, a state per (octave, channel), a running pool."""

import numpy as np

from designs.schema import TokenizerSpec
from quant.golden.magnitude import magnitude
from quant.golden.morlet import HALF_BAND, HALF_BAND_SHIFT, kernel_shift, morlet_kernels
from quant.golden.pool import pool_weights
from quant.golden.requantize import requantize, round_shift, saturate


def streamed_magnitudes(samples: np.ndarray, spec: TokenizerSpec) -> np.ndarray:
    """samples [samples, channels] -> pooled int64 [whole tokens, channels, wavelets], computed pair by pair."""
    channels, tokens = samples.shape[1], len(samples) // spec.token_samples
    state = np.zeros((spec.octaves, channels, spec.taps), np.int64)
    pool = np.zeros((spec.octaves, channels, spec.wavelets_per_octave), np.int64)
    out = np.zeros((tokens, channels, spec.octaves, spec.wavelets_per_octave), np.int64)
    for m in range(tokens * spec.token_pairs):
        for channel in range(channels):
            pair = samples[2 * m : 2 * m + 2, channel].astype(np.int64)
            octave = 0
            while octave < spec.octaves and m % (1 << octave) == 0:
                window = state[octave, channel] = np.concatenate([state[octave, channel, 2:], pair])
                _pool_step(window, spec, octave, m, pool[octave, channel], out[:, channel, octave])
                pair = _decimated_pair(window, spec)
                octave += 1
    return out.reshape(tokens, channels, spec.wavelets)


def _pool_step(window: np.ndarray, spec: TokenizerSpec, octave: int, m: int, pool: np.ndarray, out: np.ndarray) -> None:
    now, following, last = pool_weights(spec, octave)[m % spec.token_pairs]
    for j, kernel in enumerate(morlet_kernels(spec)):
        sums = np.array([np.dot(kernel.even, window), np.dot(kernel.odd, window)])
        value = saturate(magnitude(round_shift(sums, kernel_shift(spec))), spec.magnitude)
        pool[j] += value * now
        if last:
            out[m // spec.token_pairs, j] = pool[j]
            pool[j] = value * following


def _decimated_pair(window: np.ndarray, spec: TokenizerSpec) -> np.ndarray:
    sums = np.array([np.dot(HALF_BAND, window[-13:-2]), np.dot(HALF_BAND, window[-11:])])
    return requantize(sums, HALF_BAND_SHIFT, spec.sample)
