"""Riemannian tangent space of covariance matrices (pyriemann) and logistic regression (Barachant et al. 2012)."""

import numpy as np
from pyriemann.estimation import Covariances
from pyriemann.tangentspace import TangentSpace
from sklearn.linear_model import LogisticRegression

from models.baselines.bands import band_passed, decide, filter_macs
from models.baselines.model import Baseline
from models.trials import Windows

BAND = (8.0, 30.0)


class RiemannTangentSpace(Baseline):
    """arrays: reference [channels, channels] (Riemannian mean), centre and scale [features], weight, bias."""

    name = "tangent_space"
    tasks = ("classes",)

    def fit(self, windows: Windows, seed: int) -> None:
        self.check(windows)
        covariances = _covariances(windows)
        space = TangentSpace(metric="riemann").fit(covariances)
        features = space.transform(covariances)
        centre, scale = features.mean(axis=0), features.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        model = LogisticRegression(C=0.1, max_iter=2000, random_state=seed).fit((features - centre) / scale, windows.wanted)
        self.arrays = {"reference": space.reference_, "centre": centre, "scale": scale}
        self.arrays |= {"weight": model.coef_.T, "bias": model.intercept_}

    def predict(self, windows: Windows) -> np.ndarray:
        space = TangentSpace(metric="riemann")
        space.reference_ = self.arrays["reference"]
        features = space.transform(_covariances(windows))
        return decide((features - self.arrays["centre"]) / self.arrays["scale"], self.arrays)

    def macs(self, windows: Windows) -> int:
        """The matrix logarithm is counted as 10 multiply-adds per cubed channel."""
        covariance = windows.length * windows.channels * (windows.channels + 1) // 2
        return filter_macs(windows, windows.channels) + covariance + 12 * windows.channels**3 + self.arrays["weight"].size


def _covariances(windows: Windows) -> np.ndarray:
    """[windows, channels, channels], shrunk towards the mean power (OAS)."""
    return np.asarray(Covariances(estimator="oas").transform(band_passed(windows, BAND)))
