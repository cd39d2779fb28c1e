"""The regression head: readout sums are the decoded values, at a scale that no integer depends on."""

import numpy as np

from quant.golden.parameters import IntegerParameters


def decoded_values(readout: np.ndarray, parameters: IntegerParameters) -> np.ndarray:
    """readout int64 [..., outputs] -> float64 [..., outputs] in the units of the recording's targets.

    For whoever receives the integers; the decoder itself ends with its readout.
    """
    return readout * parameters.readout_scale * parameters.target_scale + parameters.target_centre
