"""Channels mixed to virtual channels, each again a sample (docs/blocks/spatial_filter.md)."""

import numpy as np

from designs.schema import TokenizerSpec
from quant.golden.requantize import requantize


def spatial_filter(samples: np.ndarray, weight: np.ndarray, shift: int, spec: TokenizerSpec) -> np.ndarray:
    """samples int64 [samples, channels], weight [virtual channels, channels] -> [samples, virtual channels], sample format."""
    return requantize(np.asarray(samples, np.int64) @ weight.T, shift, spec.sample)
