"""Ridge regression over lags, the regularised Wiener filter (scikit-learn).

Lags and penalty are chosen on the last fifth of the training windows, by time; then all of them train.
"""

import numpy as np
from sklearn.linear_model import Ridge

from models.baselines.lagged import lagged, scaling
from models.baselines.model import Baseline
from models.trials import Windows

PENALTIES = tuple(10.0**power for power in range(1, 7))
LAGS = (1, 3, 5, 10, 20)
HELD_OUT_SHARE = 0.2


class RidgeWithLags(Baseline):
    """arrays: centre and scale [features], weight [lags * features, outputs], bias [outputs]."""

    name = "ridge"
    tasks = ("targets",)

    def fit(self, windows: Windows, seed: int) -> None:
        self.check(windows)
        rows = lagged(windows)
        centre, scale = scaling(rows[:, -1])
        rows = ((rows - centre) / scale).astype(np.float32)
        lags, penalty = _choose(rows, windows.wanted)
        model = Ridge(alpha=penalty).fit(_flat(rows, lags), windows.wanted)
        self.arrays = {
            "centre": centre,
            "scale": scale,
            "weight": np.atleast_2d(model.coef_).T,
            "bias": np.atleast_1d(model.intercept_),
        }

    def predict(self, windows: Windows) -> np.ndarray:
        rows = (lagged(windows) - self.arrays["centre"]) / self.arrays["scale"]
        lags = len(self.arrays["weight"]) // rows.shape[2]
        found = _flat(rows.astype(np.float32), lags) @ self.arrays["weight"] + self.arrays["bias"]
        return np.asarray(found, np.float32)

    def macs(self, windows: Windows) -> int:
        return int(self.arrays["weight"].size)


def _flat(rows: np.ndarray, lags: int) -> np.ndarray:
    return rows[:, -lags:].reshape(len(rows), -1)


def _choose(rows: np.ndarray, targets: np.ndarray) -> tuple[int, float]:
    """The lags and penalty with the least squared error, in units of each target's deviation, on the held-out end."""
    first = len(rows) - max(1, round(HELD_OUT_SHARE * len(rows)))
    gap = min(first - 1, rows.shape[1])
    _, scale = scaling(targets)
    error = {}
    for lags in sorted({min(each, rows.shape[1]) for each in LAGS}):
        train, held = _flat(rows[: first - gap], lags), _flat(rows[first:], lags)
        for penalty in PENALTIES:
            found = Ridge(alpha=penalty).fit(train, targets[: first - gap]).predict(held)
            error[lags, penalty] = float((((found.reshape(len(held), -1) - targets[first:]) / scale) ** 2).mean())
    return min(error, key=error.__getitem__)
