"""Lagged features of windows with targets: the rows before each moment; of voltages, log powers of short stretches."""

import numpy as np
from scipy.signal import butter, sosfilt

from models.trials import Windows

BANDS = ((1.0, 8.0), (8.0, 30.0), (30.0, 60.0), (60.0, 100.0), (100.0, 175.0))
POWER_S = 0.1
FLOOR = 1e-6


def lagged(windows: Windows) -> np.ndarray:
    """float32 [windows, lags, features], oldest first: rows themselves, of voltages log powers of POWER_S each."""
    if windows.kind != "voltage":
        return np.ascontiguousarray(np.swapaxes(windows.signal(), 1, 2))
    size = max(1, round(POWER_S * windows.sample_hz))
    lags = max(1, windows.length // size)
    sums = [_running_power(stream, windows.sample_hz) for stream in windows.streams]
    ends = windows.end[:, None] - size * np.arange(lags - 1, -1, -1)
    found = np.empty((len(windows), lags, sums[0].shape[1]), np.float32)
    for number, total in enumerate(sums):
        mine = windows.stream == number
        found[mine] = np.log((total[ends[mine]] - total[ends[mine] - size]) / size + FLOOR)
    return found


def _running_power(stream: np.ndarray, sample_hz: float) -> np.ndarray:
    """float64 [samples + 1, bands * channels]: running sum of squares behind causal band-passes."""
    columns = []
    for low, high in BANDS:
        if low >= 0.45 * sample_hz:
            break
        sos = butter(2, [low, min(high, 0.45 * sample_hz)], "bandpass", fs=sample_hz, output="sos")
        columns.append(np.cumsum(sosfilt(sos, stream.astype(np.float64), axis=0) ** 2, axis=0))
    total = np.concatenate(columns, axis=1)
    return np.concatenate([np.zeros((1, total.shape[1])), total])


def scaling(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """rows [..., features] -> mean and deviation [features]; 1 for a feature that never changes."""
    flat = rows.reshape(-1, rows.shape[-1])
    deviation = flat.std(axis=0, dtype=np.float64)
    return flat.mean(axis=0, dtype=np.float64), np.where(deviation > 0, deviation, 1.0)
