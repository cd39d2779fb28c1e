"""Shift-only magnitude of a complex filter sum (docs/blocks/magnitude.md)."""

import numpy as np


def magnitude(sums: np.ndarray) -> np.ndarray:
    """int64 [..., 2] (cosine, sine) -> int64 [...]: max(hi, 7/8 hi + 1/2 lo) with floor shifts; error -3 to +0.8 %."""
    hi, lo = np.abs(sums).max(axis=-1), np.abs(sums).min(axis=-1)
    return np.maximum(hi, hi - (hi >> 3) + (lo >> 1))
