"""Matrix-vector layer with requantization (docs/blocks/linear.md)."""

import numpy as np

from designs.layer_table import LinearLayer
from quant.golden.parameters import LinearParameters
from quant.golden.requantize import requantize


def linear(inputs: np.ndarray, parameters: LinearParameters, layer: LinearLayer) -> np.ndarray:
    """inputs int64 [..., layer.inputs] -> int64 [..., layer.outputs] in `layer.out`, or the sums where that is None.

    An unsigned `layer.out` is the ReLU: saturation cuts at zero.
    """
    acc = inputs @ parameters.weight.T + parameters.bias
    return acc if layer.out is None else requantize(acc, parameters.shift, layer.out)
