"""How well a decoder decodes, and the flat list of metrics that every step leaves behind."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, r2_score

BETTER = ("higher", "lower", "none")


class MetricError(ValueError):
    """A number that is no result; one line."""


@dataclass(frozen=True)
class Metric:
    """One number with its unit, its good direction, and where it comes from."""

    name: str
    value: float
    unit: str
    better: str
    origin: str

    def __post_init__(self) -> None:
        if self.better not in BETTER:
            raise MetricError(f"metric {self.name}: better={self.better!r}; use one of {', '.join(BETTER)}")
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not math.isfinite(self.value):
            raise MetricError(f"metric {self.name}: value={self.value!r} is not a finite number; nothing was measured")
        if not self.origin:
            raise MetricError(f"metric {self.name}: says not where it comes from; give its origin")


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


def write_metrics(metrics: Sequence[Metric], path: Path) -> None:
    """Write as JSON under a temporary name, then rename."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps([asdict(metric) for metric in metrics], indent=1, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)
