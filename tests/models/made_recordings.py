"""Recordings that teach a decoder in seconds: counts and features that follow a course, rhythms that tell two classes."""

from dataclasses import replace

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


def twenty_trials(classes: int = 2, channels: int = 4, seed: int = 0) -> Recording:
    """Noise in which class k makes channel k stronger between 8 and 30 Hz. The session that tests repeats the training one."""
    rate, pause, length = 128.0, 512, 512
    rng, time_s = np.random.default_rng(seed), np.arange(length) / rate
    label = np.arange(20) % classes
    onset = np.arange(20) * (length + pause)
    samples = rng.normal(0, 5, (20 * (length + pause), channels))
    for start, each in zip(onset, label, strict=True):
        for hz in (10.0, 13.0, 21.0) if each < channels else ():
            samples[start : start + length, each] += 12 * np.sin(2 * np.pi * hz * time_s + rng.uniform(0, 6))
    learnt = Session("learnt", samples.astype(np.float32), onset, label)
    names, electrodes = tuple(f"class{i}" for i in range(classes)), tuple(f"E{i}" for i in range(channels))
    return Recording("trials", "voltage", rate, electrodes, names, (learnt, replace(learnt, name="asked")), 4.0, ("asked",))


def twenty_moments(kind: str = "counts", seed: int = 0) -> Recording:
    """Units that follow a smooth course, known at 16 moments and, behind a gap that no window crosses, at 4 that validate.
    The session that tests repeats the one that trains."""
    first, gap, units = 19, 40, 24
    rng, time = np.random.default_rng(seed), np.arange(first + 16 + gap + 4)
    course = np.stack([np.sin(time / 3), np.cos(time / 4)], axis=1).astype(np.float32)
    rate = 3 + course @ rng.normal(size=(2, units))
    samples = (rng.poisson(np.clip(rate, 0.1, None) * 4) if kind == "counts" else rate).astype(np.float32)
    course[:first], course[-4 - gap : -4], none = np.nan, np.nan, np.zeros(0, np.int64)
    learnt = Session("learnt", samples, none, none, targets=course)
    names = tuple(f"unit{i}" for i in range(units))
    return Recording("moments", kind, 20.0, names, (), (learnt, replace(learnt, name="asked")), 0.0, ("asked",))
