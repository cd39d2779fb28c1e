"""Filter-bank CSP (Ang et al. 2008): CSP in nine bands of 4 Hz, the most informative features by mutual information, LDA."""

import numpy as np
from sklearn.feature_selection import mutual_info_classif

from models.baselines.bands import band_passed, decide, fit_discriminant
from models.baselines.csp import fit_patterns, pattern_macs, pattern_power
from models.baselines.model import Baseline
from models.trials import Windows

BANDS = tuple((float(low), float(low + 4)) for low in range(4, 40, 4))
CHOSEN = 12


class FilterBankCsp(Baseline):
    """arrays: filters [bands, components, channels], chosen [features], weight [features, outputs], bias."""

    name = "filter_bank_csp"
    tasks = ("classes",)
    random = True

    def fit(self, windows: Windows, seed: int) -> None:
        self.check(windows)
        bank = [band_passed(windows, band) for band in _bands(windows)]
        filters = np.stack([fit_patterns(signal, windows.wanted) for signal in bank])
        features = _features(bank, filters)
        gain = mutual_info_classif(features, windows.wanted, random_state=seed)
        chosen = np.sort(np.argsort(-gain, kind="stable")[:CHOSEN])
        found = {"filters": filters, "chosen": chosen}
        self.arrays = found | fit_discriminant(features[:, chosen], windows.wanted)

    def predict(self, windows: Windows) -> np.ndarray:
        bank = [band_passed(windows, band) for band in _bands(windows)]
        return decide(_features(bank, self.arrays["filters"])[:, self.arrays["chosen"]], self.arrays)

    def macs(self, windows: Windows) -> int:
        bands, components, _ = self.arrays["filters"].shape
        return pattern_macs(windows, bands, components) + self.arrays["weight"].size


def _bands(windows: Windows) -> list[tuple[float, float]]:
    """Those that the sampling rate can hold."""
    return [band for band in BANDS if band[1] < windows.sample_hz / 2] or [BANDS[0]]


def _features(bank: list[np.ndarray], filters: np.ndarray) -> np.ndarray:
    """[windows, bands * components]."""
    return np.concatenate([pattern_power(signal, each) for signal, each in zip(bank, filters, strict=True)], axis=1)
