"""BCI Competition IV data set 2b: left against right hand imagery over C3, Cz, C4, as .npz of cut trials.

Source: Leeb et al. 2007, Tangermann et al. 2012; terms CC BY-ND 4.0. 3 electrodes at 250 Hz.
Layout: `X` int16 [trials, channels, samples] times `scale_uV`, `y` [trials], `y_names`, `fs`, `ch`, and `subject` and
`session` [trials].
Split: sessions 1 to 3 train, 4 and 5 test, of one subject (task `subject1`, `subject2`, ...; the first one by default).

The decoder decodes a stream, so a session's trials are joined end to end, in their order. The filters see the seams: the first
tokens of a trial carry a remainder of the trial before it, in the test as in training.
"""

import numpy as np

from models.datasets.archive import Archive, number
from models.recording import Recording, RecordingError, Session

KIND = "bci4_2b"
FIRST_TEST_SESSION = 4


def matches(found: Archive) -> bool:
    """Cut trials with a subject and a session each."""
    return {"X", "y", "subject", "session", "scale_uV"} <= set(found) and found["X"].ndim == 3


def tasks(found: Archive) -> list[str]:
    """One per subject."""
    return [f"subject{subject}" for subject in np.unique(found["subject"]).tolist()]


def read(found: Archive, source: str, task: str | None) -> Recording:
    """One session per session of the chosen subject. Raises RecordingError."""
    numbered = dict(zip(tasks(found), np.unique(found["subject"]).tolist(), strict=True))
    chosen = task or next(iter(numbered), "")
    if chosen not in numbered:
        raise RecordingError(f"{source}: task {chosen!r} is unknown; use one of {', '.join(numbered)}")
    sample_hz, scale_uv = number(found, "fs", source), number(found, "scale_uV", source)
    mine = found["subject"] == numbered[chosen]
    numbers = np.unique(found["session"][mine]).tolist()
    sessions = tuple(_session(found, mine & (found["session"] == day), f"session{day}", scale_uv) for day in numbers)
    return Recording(
        source=f"{source}, {chosen}",
        kind="voltage",
        sample_hz=sample_hz,
        electrodes=tuple(str(name) for name in found["ch"]),
        label_names=tuple(str(name) for name in found["y_names"]),
        sessions=sessions,
        decide_s=found["X"].shape[2] / sample_hz,
        test_sessions=tuple(f"session{day}" for day in numbers if day >= FIRST_TEST_SESSION),
    )


def _session(found: Archive, chosen: np.ndarray, name: str, scale_uv: float) -> Session:
    trials = found["X"][chosen].astype(np.float32) * np.float32(scale_uv)
    length = trials.shape[2]
    samples = np.swapaxes(trials, 1, 2).reshape(-1, trials.shape[1])
    return Session(name, samples, np.arange(len(trials), dtype=np.int64) * length, found["y"][chosen].astype(np.int64))
