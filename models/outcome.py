"""What training and testing one model on one fold gives back."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """predicted, wanted: int64 [windows] classes or float32 [windows, outputs], of the test windows, in the same order.

    parameters: numbers that training found; macs: multiply-adds per decision; train_s: processor seconds of training.
    """

    predicted: np.ndarray
    wanted: np.ndarray
    train_windows: int
    parameters: int
    macs: int
    train_s: float
