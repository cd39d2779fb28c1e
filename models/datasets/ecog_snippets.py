"""Short stretches of raw human ECoG, LFP and a movement sensor: real voltages without cues.

Source: examples of py_neuromodulation, Merk et al. 2022 (MIT licence).
Layout: `X` [channels, samples] microvolt, `ch` [channels], `fs`, and nothing else. Channels whose name begins with ANALOG are
sensors and are left out. Good for streaming and for switching activity; training refuses it, since it has no labels.
"""

import numpy as np

from models.datasets.archive import Archive, number
from models.recording import Recording, RecordingError, Session

KIND = "ecog_snippets"


def matches(found: Archive) -> bool:
    """A single stretch of voltages with channel names, no events."""
    return set(found) == {"X", "ch", "fs"} and found["X"].ndim == 2


def read(found: Archive, source: str, task: str | None) -> Recording:
    """One session without cues. Raises RecordingError."""
    if task is not None:
        raise RecordingError(f"{source}: has no task {task!r}, it holds no labelled cues; leave --task out")
    if found["ch"].shape != found["X"].shape[:1]:
        raise RecordingError(f"{source}: {len(found['X'])} channels but {found['ch'].size} names; save it again")
    kept = [i for i, name in enumerate(found["ch"]) if not str(name).startswith("ANALOG")]
    none = np.zeros(0, np.int64)
    return Recording(
        source=source,
        kind="voltage",
        sample_hz=number(found, "fs", source),
        electrodes=tuple(str(found["ch"][i]) for i in kept),
        label_names=(),
        sessions=(Session("snippet", found["X"][kept].T.astype(np.float32), none, none),),
        decide_s=0.0,
    )
