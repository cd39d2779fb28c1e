"""Band-pass filtering of windows, and the linear discriminant that the classical decoders end in."""

import numpy as np
from scipy.signal import butter, sosfiltfilt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from models.baselines.model import BaselineError
from models.trials import Windows

START_S, END_S = 0.5, 3.5
"""The part of a window that is looked at: a subject first reads the cue, and tires of imagining after some seconds."""
ORDER = 4

Band = tuple[float, float]


def start_sample(windows: Windows) -> int:
    """First sample of a window that is looked at: START_S in, at most a quarter of the window."""
    return min(round(START_S * windows.sample_hz), windows.length // 4)


def end_sample(windows: Windows) -> int:
    """The sample after the last one that is looked at."""
    return min(round(END_S * windows.sample_hz), windows.length)


def band_passed(windows: Windows, band: Band) -> np.ndarray:
    """float64 [windows, channels, samples] from `start_sample` to `end_sample`, filtered without phase inside the window."""
    low, high = band
    nyquist = windows.sample_hz / 2
    if low >= nyquist:
        raise BaselineError(f"windows at {windows.sample_hz:g} Hz hold nothing of {low:g} to {high:g} Hz; record faster")
    edges = [low, high] if high < nyquist else [low]
    sos = butter(ORDER, edges, "bandpass" if len(edges) == 2 else "highpass", fs=windows.sample_hz, output="sos")
    signal = windows.signal().astype(np.float64)
    pad = min(signal.shape[2] - 1, round(windows.sample_hz))
    return np.asarray(sosfiltfilt(sos, signal, axis=2, padlen=pad)[:, :, start_sample(windows) : end_sample(windows)])


def filter_macs(windows: Windows, channels: int) -> int:
    """Multiply-adds of band-passing one window of `channels` both ways: 5 per second-order section and sample."""
    return 2 * ORDER * 5 * windows.length * channels


def log_variance(signal: np.ndarray) -> np.ndarray:
    """signal [windows, channels, samples] -> log of the variance [windows, channels]; a dead channel counts as tiny."""
    return np.asarray(np.log(signal.var(axis=2) + 1e-12))


def fit_discriminant(features: np.ndarray, label: np.ndarray) -> dict[str, np.ndarray]:
    """scikit-learn's LDA with Ledoit-Wolf shrinkage: `weight` [features, outputs], `bias`; one output for two classes."""
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(features, label)
    return {"weight": model.coef_.T, "bias": model.intercept_}


def decide(features: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """features [windows, features] -> int64 classes."""
    score = features @ arrays["weight"] + arrays["bias"]
    decided = score[:, 0] > 0 if score.shape[1] == 1 else score.argmax(axis=1)
    return np.asarray(decided).astype(np.int64)
