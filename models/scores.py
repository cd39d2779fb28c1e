"""The metrics of a decoder on windows: accuracy and F1 of decided classes, R2 and correlation of decoded values."""

import numpy as np

from designs.metric import Metric
from models.metrics import accuracy, correlation, macro_f1, r2


def scores(wanted: np.ndarray, decoded: np.ndarray, which: str, origin: str) -> list[Metric]:
    """wanted, decoded: int [windows] classes, or float [windows, outputs]; the first metric judges a design."""
    if np.issubdtype(wanted.dtype, np.floating):
        return [
            Metric(f"r2__{which}", r2(wanted, decoded), "share", "higher", origin),
            Metric(f"correlation__{which}", correlation(wanted, decoded), "share", "higher", origin),
        ]
    return [
        Metric(f"accuracy__{which}", accuracy(wanted, decoded), "share", "higher", origin),
        Metric(f"macro_f1__{which}", macro_f1(wanted, decoded), "share", "higher", origin),
    ]
