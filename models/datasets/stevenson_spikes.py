"""Spike counts of a Utah array in motor cortex with hand position and velocity (Stevenson et al. 2011).

Source: teaching data of Stevenson et al. 2011. Counts per 50 ms bin.
Layout: `X` [bins, units] whole numbers, `pos` and `vel` [bins, 2 or 3], `bin_s`, `train_idx`, `test_idx`.
Split: first 80 % train, last 20 % test. Units that fire less than 0.4 times a second are left out, judged on the training part.
A decoder that starts from voltages refuses this kind with one line.
"""

import numpy as np

from models.datasets.archive import Archive, number
from models.recording import Recording, RecordingError, Session

KIND = "stevenson_spikes"
LEAST_HZ = 0.4
TARGETS = {"velocity": "vel", "position": "pos"}


def matches(found: Archive) -> bool:
    """Counts per bin beside a hand's course."""
    return {"X", "pos", "vel", "bin_s"} <= set(found) and found["X"].ndim == 2


def tasks(found: Archive) -> list[str]:
    """Those of TARGETS."""
    return list(TARGETS)


def read(found: Archive, source: str, task: str | None) -> Recording:
    """Two sessions, early (training) and late (test); targets are x and y of the hand. Raises RecordingError."""
    chosen = task or "velocity"
    if chosen not in TARGETS:
        raise RecordingError(f"{source}: task {chosen!r} is unknown; use one of {', '.join(TARGETS)}")
    counts, course = found["X"], found[TARGETS[chosen]]
    if len(course) != len(counts) or not np.issubdtype(counts.dtype, np.integer):
        raise RecordingError(f"{source}: X is not one whole number per bin and unit beside {TARGETS[chosen]}; save it again")
    cut = int(found["test_idx"].min()) if found.get("test_idx", np.zeros(0)).size else round(0.8 * len(counts))
    bin_s = number(found, "bin_s", source)
    kept = np.flatnonzero(counts[:cut].mean(axis=0) >= LEAST_HZ * bin_s)
    none = np.zeros(0, np.int64)
    sessions = tuple(
        Session(name, counts[part][:, kept].astype(np.float32), none, none, targets=course[part, :2].astype(np.float32))
        for name, part in (("early", slice(0, cut)), ("late", slice(cut, None)))
    )
    return Recording(
        source=f"{source}, {chosen}",
        kind="counts",
        sample_hz=1 / bin_s,
        electrodes=tuple(f"unit{i + 1}" for i in kept),
        label_names=(),
        sessions=sessions,
        decide_s=0.0,
        test_sessions=("late",),
    )
