"""Log band power of every channel in bands of 4 Hz, and shrinkage LDA (after Pfurtscheller and Neuper 2001).

The bands and the stretch of the window (models.baselines.bands) were chosen on training sessions of BCI Competition IV 2b.
"""

import numpy as np

from models.baselines.bands import band_passed, decide, filter_macs, fit_discriminant, log_variance
from models.baselines.model import Baseline
from models.trials import Windows

BANDS = tuple((float(low), float(low + 4)) for low in range(6, 30, 4))


class LogBandPower(Baseline):
    """arrays: weight [bands * channels, outputs], bias [outputs]."""

    name = "log_band_power"
    tasks = ("classes",)

    def fit(self, windows: Windows, seed: int) -> None:
        self.check(windows)
        self.arrays = fit_discriminant(_features(windows), windows.wanted)

    def predict(self, windows: Windows) -> np.ndarray:
        return decide(_features(windows), self.arrays)

    def macs(self, windows: Windows) -> int:
        power = windows.length * windows.channels
        return len(BANDS) * (filter_macs(windows, windows.channels) + power) + self.arrays["weight"].size


def _features(windows: Windows) -> np.ndarray:
    return np.concatenate([log_variance(band_passed(windows, band)) for band in BANDS], axis=1)
