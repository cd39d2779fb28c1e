"""Common spatial patterns of 8 to 30 Hz (mne.decoding.CSP) and shrinkage LDA (Ramoser et al. 2000)."""

import mne
import numpy as np
from mne.decoding import CSP

from models.baselines.bands import Band, band_passed, decide, filter_macs, fit_discriminant, log_variance
from models.baselines.model import Baseline
from models.trials import Windows

BAND = (8.0, 30.0)
COMPONENTS = 6


def fit_patterns(signal: np.ndarray, label: np.ndarray) -> np.ndarray:
    """signal [windows, channels, samples] -> filters [components, channels], regularised after Ledoit and Wolf."""
    components = min(COMPONENTS, signal.shape[1])
    with mne.utils.use_log_level("ERROR"):
        found = CSP(n_components=components, reg="ledoit_wolf", log=True).fit(signal, label)
    return np.asarray(found.filters_[:components])


def pattern_power(signal: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Log variance behind `filters`, [windows, components]."""
    return log_variance(np.einsum("fc,wct->wft", filters, signal))


def pattern_macs(windows: Windows, band_count: int, components: int) -> int:
    """Filters, spatial filters and powers of one window."""
    spatial = windows.length * components * (windows.channels + 1)
    return band_count * (filter_macs(windows, windows.channels) + spatial)


class CommonSpatialPatterns(Baseline):
    """arrays: filters [components, channels], weight [components, outputs], bias [outputs]."""

    name = "csp"
    tasks = ("classes",)
    band: Band = BAND

    def fit(self, windows: Windows, seed: int) -> None:
        self.check(windows)
        signal = band_passed(windows, self.band)
        filters = fit_patterns(signal, windows.wanted)
        self.arrays = {"filters": filters} | fit_discriminant(pattern_power(signal, filters), windows.wanted)

    def predict(self, windows: Windows) -> np.ndarray:
        return decide(pattern_power(band_passed(windows, self.band), self.arrays["filters"]), self.arrays)

    def macs(self, windows: Windows) -> int:
        return pattern_macs(windows, 1, len(self.arrays["filters"])) + self.arrays["weight"].size
