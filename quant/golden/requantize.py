"""The one rounding rule: add half, shift right, saturate (docs/number_formats.md)."""

import numpy as np

from designs.number_format import IntFormat


def saturate(values: np.ndarray, out: IntFormat) -> np.ndarray:
    """int64 of any shape -> same shape, clipped to `out`."""
    return np.clip(values, out.min, out.max)


def round_shift(acc: np.ndarray, shift: int | np.ndarray) -> np.ndarray:
    """acc * 2 ** -shift, int64 of any shape, ties rounded up (towards plus infinity); shift 0 changes nothing."""
    return (acc + ((1 << shift) >> 1)) >> shift


def requantize(acc: np.ndarray, shift: int, out: IntFormat) -> np.ndarray:
    """Accumulator to activation: acc int64 of any shape -> same shape within `out`; rounds half up, then saturates."""
    return saturate(round_shift(acc, shift), out)
