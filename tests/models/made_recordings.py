"""Recordings that teach a decoder in seconds: counts and features that follow a course, rhythms that tell two classes."""

import numpy as np

from models.recording import Recording, Session


def counts(seed: int = 0, kind: str = "counts") -> Recording:
    """Units whose rates follow a slow two-dimensional course; features are the same with a sign and a level."""
    rng, sessions = np.random.default_rng(seed), []
    mixing = rng.normal(0, 1, (2, 12))
    for name in ("early", "late"):
        course = np.cumsum(rng.normal(0, 1, (900, 2)), axis=0)
        course = (course - np.convolve(course[:, 0], np.ones(60) / 60, "same")[:, None]) / 4
        rate = np.exp(0.7 + 0.5 * np.clip(course @ mixing, -3, 3) / 2)
        samples = rng.poisson(rate) if kind == "counts" else 100 + 7 * (course @ mixing) + rng.normal(0, 1, rate.shape)
        none = np.zeros(0, np.int64)
        sessions.append(Session(name, samples.astype(np.float32), none, none, targets=course.astype(np.float32)))
    units = tuple(f"unit{i}" for i in range(12))
    return Recording("made", kind, 20.0, units, (), tuple(sessions), 0.0, ("late",))


def rhythms(channels: int = 3, rate: float = 160.0, hz: float = 12.0, size: float = 30.0) -> Recording:
    """Noise of deviation 10 in which class 0 has more of a rhythm at `hz` on the first channel, class 1 on the last."""
    rng, sessions = np.random.default_rng(1), []
    for name in ("first", "second", "third"):
        samples = rng.normal(0, 10, (int(5 * 24 * rate) + 50, channels))
        onset = (np.arange(24) * 5 * rate).astype(np.int64)
        label = np.arange(24) % 2
        for start, which in zip(onset, label, strict=True):
            time_s = np.arange(int(4 * rate)) / rate
            samples[start : start + len(time_s), 0 if which == 0 else -1] += size * np.sin(2 * np.pi * hz * time_s)
        sessions.append(Session(name, samples.astype(np.float32), onset, label))
    names = tuple(f"E{i}" for i in range(channels))
    return Recording("rhythms", "voltage", rate, names, ("left", "right"), tuple(sessions), 4.0, ("third",))
