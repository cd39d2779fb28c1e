"""How well a decoder decodes: figures of merit on labels and targets."""

import math

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, r2_score

WORST_R2 = -1.0
"""What a smaller R2 counts as in a mean, so that one decoder that fell apart does not rule it."""


def accuracy(label: np.ndarray, decided: np.ndarray) -> float:
    """label, decided int [windows] -> share of equal ones."""
    return float(accuracy_score(label, decided))


def wilson_interval(share: float, count: int, deviations: float = 1.96) -> tuple[float, float]:
    """The interval (95 % by default) of the true share behind `share` of `count` independent windows, after Wilson."""
    spread = deviations**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = deviations * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def macro_f1(label: np.ndarray, decided: np.ndarray) -> float:
    """label, decided int [windows] -> F1 per class of `label`, averaged without weights; 0 for a class never decided."""
    return float(f1_score(label, decided, average="macro", labels=np.unique(label), zero_division=0.0))


def r2(target: np.ndarray, found: np.ndarray) -> float:
    """target, found [windows, outputs] -> share of explained variance, mean over outputs."""
    return float(r2_score(target, found, multioutput="uniform_average"))


def correlation(target: np.ndarray, found: np.ndarray) -> float:
    """target, found [windows, outputs] -> Pearson's correlation, mean over outputs; 0 for an output that never changes."""
    target, found = target - target.mean(axis=0), found - found.mean(axis=0)
    norm = np.sqrt((target**2).sum(axis=0) * (found**2).sum(axis=0))
    return float(np.mean(np.divide((target * found).sum(axis=0), norm, out=np.zeros(len(norm)), where=norm > 0)))
