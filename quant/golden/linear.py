"""Matrix-vector layer with requantization (docs/blocks/linear.md)."""

import numpy as np

from designs.layer_table import LinearLayer, linear_layer
from quant.golden.parameters import IntegerParameters, LinearParameters
from quant.golden.requantize import requantize


def linear(inputs: np.ndarray, parameters: LinearParameters, layer: LinearLayer) -> np.ndarray:
    """inputs int64 [..., layer.inputs] -> int64 [..., layer.outputs] in `layer.out`, or the sums where that is None.

    An unsigned `layer.out` is the ReLU: saturation cuts at zero.
    """
    acc = inputs @ parameters.weight.T + parameters.bias
    return acc if layer.out is None else requantize(acc, parameters.shift, layer.out)


def through(name: str, inputs: np.ndarray, parameters: IntegerParameters) -> np.ndarray:
    """`inputs` through the layer called `name` of the decoder."""
    return linear(inputs, parameters.linear[name], linear_layer(parameters.design, name))
