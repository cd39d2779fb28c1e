"""Magnitudes pooled over each token and requantized per feature: the integer tokenizer's last step (docs/blocks/pool.md)."""

import numpy as np

from designs.schema import TokenizerSpec
from quant.golden.magnitude import magnitude
from quant.golden.requantize import requantize, saturate
from quant.golden.wavelet_bank import filter_sums, octave_samples


def pool_weights(spec: TokenizerSpec, octave: int) -> list[tuple[int, int, int]]:
    """For every pair index p of a token: (weight now, weight for the next token, 1 where the token's pool is complete).

    A step at pair p stands for the 2 ** octave pairs from p on; what reaches beyond the token goes to the next one.
    Weights count units of `pool_unit_pairs`. Rows at which the octave has no step are not used.
    """
    unit, reach, pairs = spec.pool_unit_pairs(octave), 1 << octave, spec.token_pairs
    return [
        (min(reach, pairs - p) // unit, (reach - min(reach, pairs - p)) // unit, int(p + reach >= pairs)) for p in range(pairs)
    ]


def pooled_magnitudes(samples: np.ndarray, spec: TokenizerSpec) -> np.ndarray:
    """samples [samples, channels] from reset -> int64 [tokens, channels, wavelets] in `spec.pool` format.

    Only whole tokens are returned; wavelets are ordered [octave, wavelet of the octave], highest octave first.
    """
    tokens = len(samples) // spec.token_samples
    samples = samples[: tokens * spec.token_samples]
    pooled = np.zeros((tokens + 1, samples.shape[1], spec.octaves, spec.wavelets_per_octave), np.int64)
    for octave, signal in enumerate(octave_samples(samples, spec)):
        values = saturate(magnitude(filter_sums(signal, spec)), spec.magnitude)
        pair = np.arange(len(values)) << octave
        weights = np.array(pool_weights(spec, octave))[pair % spec.token_pairs]
        token = pair // spec.token_pairs
        np.add.at(pooled[:, :, octave], token, values * weights[:, 0, None, None])
        np.add.at(pooled[:, :, octave], token + 1, values * weights[:, 1, None, None])
    return pooled[:tokens].reshape(tokens, samples.shape[1], spec.wavelets)


def tokenize(samples: np.ndarray, spec: TokenizerSpec, token_shift: np.ndarray) -> np.ndarray:
    """samples [samples, channels] in `spec.sample` format, from reset -> tokens [tokens, features] in `spec.token` format.

    token_shift [channels, wavelets]: the right shift of each feature. Features are ordered [channel, octave, wavelet].
    """
    pooled = pooled_magnitudes(samples, spec)
    half = (np.int64(1) << token_shift) >> 1
    shifted = (pooled + half) >> token_shift
    return requantize(shifted, 0, spec.token).reshape(len(pooled), spec.features)
