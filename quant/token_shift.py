"""Which right shift turns a feature's pooled magnitude into a token: its range fits, and `embed` can weigh it with few bits."""

import numpy as np

from designs.number_format import IntFormat
from designs.schema import TokenizerSpec

COARSER = np.arange(6)
"""Octaves tried beyond the shift that fits the range."""
EXPONENTS_TRIED = 16


def fitting_shift(pooled: np.ndarray, spec: TokenizerSpec, quantile: float = 0.995) -> np.ndarray:
    """pooled int64 [tokens, channels, wavelets] -> shift [channels, wavelets]: `quantile` of each feature just fits a token."""
    high = np.quantile(pooled, quantile, axis=0)
    return np.clip(np.ceil(np.log2((high + 1) / (spec.token.max + 1))), 0, spec.token_shift.max).astype(np.int64)


def balanced_shift(fitting: np.ndarray, deviation: np.ndarray, weight: np.ndarray, fmt: IntFormat, most: int) -> np.ndarray:
    """The shifts, each from `fitting` to `most`, with which `embed` is closest to itself in float.

    fitting int64 [features]; deviation [features]: standard deviation of the pooled magnitude; weight [outputs, features]: of
    `embed` for pooled magnitudes; fmt: its weights' format.

    One scale serves all weights of `embed`, while float weights of a loud and a faint feature differ a hundredfold: most would
    round to zero. One more octave of shift halves the token and doubles its weight, so features that matter little give up
    token bits, which they can spare, for weight bits. The squared error at the outputs, of rounded weights and of rounded
    tokens together, is the least over all shifts and scales.
    """
    shift = np.minimum(fitting + COARSER[:, None], most)  # [choices, features]
    scaled = weight * 2.0 ** shift[:, None]  # [choices, outputs, features]
    rounded_tokens = (scaled**2).sum(axis=1) / 12
    largest = np.abs(scaled).max()
    if largest == 0:
        return fitting
    best, least = fitting, np.inf
    top = int(np.ceil(np.log2(largest / fmt.max)))
    for exponent in range(top, top - EXPONENTS_TRIED, -1):
        step = 2.0**exponent
        rounded = np.clip(np.floor(scaled / step + 0.5), fmt.min, fmt.max) * step
        error = ((rounded - scaled) ** 2).sum(axis=1) * (deviation * 2.0**-shift) ** 2 + rounded_tokens
        total = error.min(axis=0).sum()
        if total < least:
            best, least = np.take_along_axis(shift, error.argmin(axis=0)[None], axis=0)[0], total
    return best
