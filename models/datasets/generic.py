"""The project's own .npz layout, for any laboratory's recordings. Write it with numpy.savez_compressed.

| key | type and shape | meaning |
|---|---|---|
| `samples` | float or int [samples, channels] | the signal, all sessions one after the other |
| `sample_hz` | number | sampling rate |
| `event_sample` | int [events] | row of `samples` at which each cue is |
| `event_label` | text [events], or int [events] | class of each cue |
| `scale_uv` | number, optional | microvolt per unit of `samples`; 1 if absent |
| `channels` | text [channels], optional | electrode names; E1, E2, ... if absent |
| `session_start` | int [sessions], optional | first row of each session, ascending from 0; one session if absent |
| `session_names` | text [sessions], optional | session1, session2, ... if absent |
| `test_sessions` | text [1 or more], optional | sessions kept for the test; if absent the last one, or its last quarter |
| `decide_s` | number, optional | seconds from a cue to the end of the decided window; 1 if absent |

Classes are numbered in the alphabetical order of their labels. No pickled objects: text as numpy's fixed-width text.
"""

import numpy as np

from models.datasets.archive import Archive, number
from models.recording import Recording, RecordingError, Session

KIND = "generic"
NEEDED = ("samples", "sample_hz", "event_sample", "event_label")
OPTIONAL = ("scale_uv", "channels", "session_start", "session_names", "test_sessions", "decide_s")


def matches(found: Archive) -> bool:
    """The keys that every such file has."""
    return {"samples", "sample_hz"} <= set(found)


def read(found: Archive, source: str, task: str | None) -> Recording:
    """Sessions as `session_start` cuts them. Raises RecordingError."""
    if task is not None:
        raise RecordingError(f"{source}: has no task {task!r}; leave --task out")
    missing = [key for key in NEEDED if key not in found]
    if missing:
        raise RecordingError(f"{source}: {', '.join(missing)} missing; models/datasets/generic.py says what a recording holds")
    samples = found["samples"]
    if samples.ndim != 2 or not (np.issubdtype(samples.dtype, np.integer) or np.issubdtype(samples.dtype, np.floating)):
        raise RecordingError(
            f"{source}: samples is {samples.dtype} {list(samples.shape)} where numbers [samples, channels] are needed"
        )
    if found["event_sample"].ndim != 1 or found["event_sample"].shape != found["event_label"].shape:
        raise RecordingError(f"{source}: event_sample and event_label must be two lists of the same length")
    names, label = np.unique(found["event_label"].astype(str), return_inverse=True)
    channels = found.get("channels", np.array([f"E{i + 1}" for i in range(samples.shape[1])]))
    if channels.shape != samples.shape[1:]:
        raise RecordingError(f"{source}: {channels.size} channel names for {samples.shape[1]} channels; name each one")
    return Recording(
        source=source,
        kind="voltage",
        sample_hz=number(found, "sample_hz", source),
        electrodes=tuple(str(name) for name in channels),
        label_names=tuple(str(name) for name in names),
        sessions=_sessions(found, label.astype(np.int64), source),
        decide_s=number(found, "decide_s", source, 1.0),
        test_sessions=tuple(str(name) for name in np.atleast_1d(found.get("test_sessions", np.array([], "U1")))),
    )


def _sessions(found: Archive, label: np.ndarray, source: str) -> tuple[Session, ...]:
    samples, onset = found["samples"], found["event_sample"].astype(np.int64)
    start = found.get("session_start", np.array([0])).astype(np.int64)
    edges = np.append(start, len(samples))
    if start.ndim != 1 or start.size == 0 or start[0] != 0 or (np.diff(edges) <= 0).any():
        raise RecordingError(f"{source}: session_start must ascend from 0 and stay below {len(samples)} samples")
    if ((onset < 0) | (onset >= len(samples))).any():
        raise RecordingError(f"{source}: event_sample must lie from 0 to {len(samples) - 1}")
    names = found.get("session_names", np.array([f"session{i + 1}" for i in range(len(start))]))
    if names.shape != start.shape:
        raise RecordingError(f"{source}: {names.size} session_names for {len(start)} sessions; name each one")
    scale, session = np.float32(number(found, "scale_uv", source, 1.0)), np.searchsorted(start, onset, side="right") - 1
    return tuple(
        Session(
            str(name),
            samples[edges[i] : edges[i + 1]].astype(np.float32) * scale,
            onset[session == i] - edges[i],
            label[session == i],
        )
        for i, name in enumerate(names)
    )
