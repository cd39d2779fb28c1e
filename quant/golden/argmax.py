"""The decision: index of the largest readout, the first one on a tie (docs/blocks/argmax.md)."""

import numpy as np


def argmax(readout: np.ndarray) -> np.ndarray:
    """readout int64 [..., outputs] -> int64 [..., 1]."""
    return np.argmax(readout, axis=-1, keepdims=True).astype(np.int64)
