"""Float spatial filter -> integers: every virtual channel fills the sample format as a channel does, one shift serves all."""

import math

import numpy as np

from designs.schema import TokenizerSpec

QUANTILE = 0.999
"""Share of a virtual channel's training samples that stay below half of full scale, as in the converter."""
ROWS_AT_MOST = 50_000
SHIFT_MAX = 31


def integer_filter(spatial: np.ndarray, samples: np.ndarray, spec: TokenizerSpec) -> tuple[np.ndarray, int]:
    """spatial float [virtual channels, channels], samples int [samples, channels] of training -> (weight int64, shift).

    A row's gain is free, since magnitudes are standardised behind it: it is chosen by the swing of the virtual channel.
    """
    assert spec.spatial is not None
    seen = samples[:: max(1, len(samples) // ROWS_AT_MOST)].astype(np.float64)
    swing = np.quantile(np.abs(seen @ spatial.T), QUANTILE, axis=0)
    gain = np.where(swing > 0, (spec.sample.max + 1) / 2 / np.maximum(swing, 1e-12), 0.0)
    scaled = spatial * gain[:, None]
    largest = np.abs(scaled).max(initial=0.0)
    if largest == 0:
        return np.zeros(spatial.shape, np.int64), 0
    fitting = math.floor(math.log2((spec.spatial.weight.max + 0.49) / largest))
    shift = int(np.clip(fitting, 0, SHIFT_MAX))
    whole = np.floor(scaled * 2.0 ** min(fitting, SHIFT_MAX) + 0.5)
    return np.clip(whole, spec.spatial.weight.min, spec.spatial.weight.max).astype(np.int64), shift
