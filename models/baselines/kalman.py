"""Kalman filter over the targets and their rate of change (Wu et al. 2006): linear motion, counts as linear observations.

Both models are least-squares fits; the filter starts anew in every stream, from the mean of the training targets.
"""

import numpy as np

from models.baselines.lagged import scaling
from models.baselines.model import Baseline, BaselineError
from models.trials import Windows


class Kalman(Baseline):
    """State [targets, rates]. arrays: centre, scale [channels], motion [states, states], motion_noise, observe [channels,
    states], information [states, channels] (observe^T noise^-1), precision [states, states], target_centre [outputs]."""

    name = "kalman"
    tasks = ("targets",)

    def fit(self, windows: Windows, seed: int) -> None:
        self.check(windows)
        if windows.kind == "voltage":
            raise BaselineError("kalman takes counts or features, but the recording has voltages; leave it out")
        seen = windows.signal(last=1)[:, :, 0].astype(np.float64)
        centre, scale = scaling(seen)
        seen = (seen - centre) / scale
        target_centre = windows.wanted.mean(axis=0, dtype=np.float64)
        state = _states(windows, target_centre)
        follows = np.flatnonzero((np.diff(windows.stream) == 0) & (np.diff(windows.end) == 1))
        before, after = state[follows], state[follows + 1]
        motion = np.linalg.lstsq(before, after, rcond=None)[0].T
        observe = np.linalg.lstsq(state, seen, rcond=None)[0].T
        noise = np.cov((seen - state @ observe.T).T) + 1e-3 * np.eye(seen.shape[1])
        information = np.linalg.solve(noise, observe).T
        self.arrays = {
            "centre": centre,
            "scale": scale,
            "target_centre": target_centre,
            "motion": motion,
            "motion_noise": np.cov((after - before @ motion.T).T),
            "information": information,
            "precision": information @ observe,
        }

    def predict(self, windows: Windows) -> np.ndarray:
        arrays, outputs = self.arrays, len(self.arrays["target_centre"])
        seen = (windows.signal(last=1)[:, :, 0].astype(np.float64) - arrays["centre"]) / arrays["scale"]
        evidence = seen @ arrays["information"].T
        found = np.empty((len(windows), outputs), np.float32)
        state = spread = None
        for i, stream in enumerate(windows.stream):
            if i == 0 or stream != windows.stream[i - 1]:
                state, spread = np.zeros(2 * outputs), np.eye(2 * outputs)
            state = arrays["motion"] @ state
            spread = arrays["motion"] @ spread @ arrays["motion"].T + arrays["motion_noise"]
            spread = np.linalg.solve(np.eye(2 * outputs) + spread @ arrays["precision"], spread)
            state = state + spread @ (evidence[i] - arrays["precision"] @ state)
            found[i] = state[:outputs] + arrays["target_centre"]
        return found

    def macs(self, windows: Windows) -> int:
        states = len(self.arrays["motion"])
        return states * windows.channels + windows.channels + 6 * states**3 + 3 * states**2


def _states(windows: Windows, centre: np.ndarray) -> np.ndarray:
    """[windows, 2 * outputs]: centred targets and their change since the row before, 0 at the start of a stream."""
    targets = windows.wanted.astype(np.float64) - centre
    rate = np.diff(targets, axis=0, prepend=targets[:1])
    rate[np.flatnonzero(np.diff(windows.stream)) + 1] = 0
    return np.concatenate([targets, rate], axis=1)
