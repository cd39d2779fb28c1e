"""Float decoder and its integer windows -> the quantized decoder before fine-tuning, and the integers around its graph."""

import numpy as np
import torch
from torch import Tensor

from designs.schema import Design
from models.ind import Ind
from quant.calibrate import calibrate, from_float
from quant.export_qonnx import FrontEnd
from quant.integer_windows import IntegerWindows
from quant.quant_ind import QuantInd

CALIBRATION_WINDOWS = 256


def calibrated(ind: Ind, windows: IntegerWindows, design: Design) -> QuantInd:
    """A QuantInd with the weights of `ind`; every exponent from training windows, evenly chosen."""
    standardisation = windows.standardisation
    quantized = from_float(ind, standardisation.centre, standardisation.scale, design)
    calibrate(quantized, calibration_tokens(windows))
    return quantized


def calibration_tokens(windows: IntegerWindows) -> Tensor:
    """[windows, tokens, features]: the training windows on which scales are chosen, evenly spread."""
    train = windows.parts["train"]
    return train.batch(torch.linspace(0, len(train) - 1, min(CALIBRATION_WINDOWS, len(train))).long())[0]


def float_filter(ind: Ind) -> np.ndarray | None:
    """float32 [virtual channels, channels]: the spatial filter of `ind`, where it has one."""
    return None if ind.spatial is None else ind.spatial.detach().numpy()


def float_embedding(ind: Ind) -> np.ndarray:
    """float64 [embed_dim, features]: the weights that meet standardised tokens."""
    return ind.embed.weight.detach().numpy().astype(np.float64)


def front_end(ind: Ind, windows: IntegerWindows) -> FrontEnd:
    """What the exported graph carries besides its nodes."""
    scale, centre = (ind.target_scale.numpy(), ind.target_centre.numpy()) if ind.regression else (None, None)
    return FrontEnd(windows.token_shift, windows.spatial_weight, windows.spatial_shift, scale, centre, windows.preprocess)
