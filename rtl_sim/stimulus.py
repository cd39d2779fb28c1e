"""Values for testbenches: the corners of a format first, then random ones by seed."""

import numpy as np

from designs.number_format import IntFormat


def corners_then_random(format: IntFormat, count: int, seed: int) -> np.ndarray:
    """int64 [count]: the format's extremes, 0 and the neighbours of all three, then values of every magnitude.

    Half of the random values are uniform, half are shifted right by a random amount, so that small ones occur too.
    """
    rng = np.random.default_rng(seed)
    low, high = format.min, format.max
    corners = np.array([low, high, 0, -1, 1, low + 1, high - 1, low, low, high, high]).clip(low, high)
    values = rng.integers(low, high, endpoint=True, size=count)
    small = values >> rng.integers(0, format.bits, size=count)
    return np.concatenate([corners, np.where(rng.random(count) < 0.5, values, small)])[:count]
