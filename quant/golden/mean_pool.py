"""Mean over a window's tokens as a sum and a shift (docs/blocks/mean_pool.md)."""

import numpy as np

from designs.schema import Design
from quant.golden.requantize import requantize


def mean_pool(window: np.ndarray, shift: int, design: Design) -> np.ndarray:
    """window int64 [..., tokens, embed_dim] -> int64 [..., embed_dim] in the stream format."""
    return requantize(window.sum(axis=-2), shift, design.quant.stream)
