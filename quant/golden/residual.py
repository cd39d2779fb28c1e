"""Saturating addition on the residual stream: both sides share one scale (docs/blocks/residual.md)."""

import numpy as np

from designs.number_format import IntFormat
from quant.golden.requantize import saturate


def residual(stream: np.ndarray, update: np.ndarray, out: IntFormat) -> np.ndarray:
    """int64 of one shape each -> their sum, saturated to `out`."""
    return saturate(stream + update, out)
