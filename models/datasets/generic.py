"""The project's own .npz layout, for any laboratory's recordings. Write it with numpy.savez_compressed.

| key | type and shape | meaning |
|---|---|---|
| `samples` | float or int [samples, channels] | the signal, all sessions one after the other |
| `sample_hz` | number | sampling rate: of counts bins per second, of features rows per second |
| `kind` | text, optional | `voltage` if absent; `counts`: spikes per bin, from 0; `features`: ready-made, of short windows |
| `event_sample` | int [events] | row of `samples` at which each cue is |
| `event_label` | text [events], or int [events] | class of each cue |
| `decide_s` | number, optional | seconds from a cue to the end of the decided window; 1 if absent |
| `targets` | float [samples, outputs] | instead of events: the course to decode, NaN where it is not known |
| `target_names` | text [outputs], optional | what each target is; target1, target2, ... if absent |
| `scale_uv` | number, optional | of voltages: microvolt per unit of `samples`; 1 if absent |
| `channels` | text [channels], optional | electrode names; E1, E2, ... if absent |
| `session_start` | int [sessions], optional | first row of each session, ascending from 0; one session if absent |
| `session_names` | text [sessions], optional | session1, session2, ... if absent |
| `test_sessions` | text [1 or more], optional | sessions kept for the test; if absent the last one, or its last quarter |

Events or targets, never both. Classes are numbered in the alphabetical order of their labels. No pickled objects: text as
numpy's fixed-width text.
"""

import numpy as np

from models.datasets.archive import Archive, number
from models.recording import Recording, RecordingError, Session

KIND = "generic"
EVENTS, TARGETS = ("event_sample", "event_label"), "targets"
OF_EVENTS = (*EVENTS, "decide_s")


def matches(found: Archive) -> bool:
    """The keys that every such file has."""
    return {"samples", "sample_hz"} <= set(found)


def read(found: Archive, source: str, task: str | None) -> Recording:
    """Sessions as `session_start` cuts them. Raises RecordingError."""
    if task is not None:
        raise RecordingError(f"{source}: has no task {task!r}; leave --task out")
    samples = _numbers(found, "samples", "[samples, channels]", source)
    kind = _kind(found, source)
    channels = found.get("channels", np.array([f"E{i + 1}" for i in range(samples.shape[1])]))
    if channels.shape != samples.shape[1:]:
        raise RecordingError(f"{source}: {channels.size} channel names for {samples.shape[1]} channels; name each one")
    targets = _targets(found, source) if TARGETS in found else None
    onset, label, names = _events(found, source) if targets is None else (np.zeros(0, np.int64), np.zeros(0, np.int64), ())
    return Recording(
        source=source,
        kind=kind,
        sample_hz=number(found, "sample_hz", source),
        electrodes=tuple(str(name) for name in channels),
        label_names=names,
        sessions=_sessions(found, onset, label, targets, source),
        decide_s=number(found, "decide_s", source, 1.0) if targets is None else 0.0,
        test_sessions=tuple(str(name) for name in np.atleast_1d(found.get("test_sessions", np.array([], "U1")))),
        target_names=_target_names(found, targets, source),
    )


def _kind(found: Archive, source: str) -> str:
    """Refuses what fits no signal of that kind; an unknown kind is Recording's to refuse."""
    value = found.get("kind", np.array("voltage"))
    if value.size != 1 or value.dtype.kind != "U":
        raise RecordingError(f"{source}: kind is {value.dtype} {list(value.shape)} where voltage, counts or features is needed")
    kind = str(value.item())
    if kind != "voltage" and "scale_uv" in found:
        raise RecordingError(f"{source}: has scale_uv, but its samples are {kind}, no voltages; leave scale_uv out")
    if kind == "counts" and (found["samples"] < 0).any():
        raise RecordingError(f"{source}: samples are counts, but some are negative; correct them, or give kind features")
    return kind


def _numbers(found: Archive, key: str, shape: str, source: str) -> np.ndarray:
    values = found[key]
    if values.ndim != 2 or not (np.issubdtype(values.dtype, np.integer) or np.issubdtype(values.dtype, np.floating)):
        raise RecordingError(f"{source}: {key} is {values.dtype} {list(values.shape)} where numbers {shape} are needed")
    return values


def _targets(found: Archive, source: str) -> np.ndarray:
    """float32 [samples, outputs], NaN where nothing is known."""
    beside = [key for key in OF_EVENTS if key in found]
    if beside:
        raise RecordingError(f"{source}: has targets and {', '.join(beside)}; give events or targets, leave the others out")
    targets = _numbers(found, TARGETS, "[samples, outputs]", source)
    if len(targets) != len(found["samples"]) or not targets.shape[1]:
        raise RecordingError(
            f"{source}: targets is {list(targets.shape)} beside {len(found['samples'])} samples; give a row of one or more "
            f"values for every sample, NaN where nothing is known"
        )
    targets = targets.astype(np.float32)
    if np.isinf(targets).any():
        raise RecordingError(f"{source}: targets hold infinite values; give NaN where nothing is known")
    return targets


def _target_names(found: Archive, targets: np.ndarray | None, source: str) -> tuple[str, ...]:
    names = found.get("target_names", np.array([], "U1"))
    outputs = 0 if targets is None else targets.shape[1]
    if "target_names" in found and names.shape != (outputs,):
        raise RecordingError(f"{source}: {names.size} target_names for {outputs} targets; name each one, or leave them out")
    return tuple(str(name) for name in names)


def _events(found: Archive, source: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """(row of each cue, its class, the names of the classes)."""
    missing = [key for key in EVENTS if key not in found]
    if missing:
        or_targets = "" if len(missing) < len(EVENTS) else ", and so are targets"
        raise RecordingError(
            f"{source}: {', '.join(missing)} missing{or_targets}; models/datasets/generic.py says what a recording holds"
        )
    if found["event_sample"].ndim != 1 or found["event_sample"].shape != found["event_label"].shape:
        raise RecordingError(f"{source}: event_sample and event_label must be two lists of the same length")
    names, label = np.unique(found["event_label"].astype(str), return_inverse=True)
    onset, samples = found["event_sample"].astype(np.int64), len(found["samples"])
    if ((onset < 0) | (onset >= samples)).any():
        turned = "; samples is [samples, channels], turn it round" if samples < found["samples"].shape[1] else ""
        raise RecordingError(f"{source}: event_sample must lie from 0 to {samples - 1}{turned}")
    return onset, label.astype(np.int64), tuple(str(name) for name in names)


def _sessions(
    found: Archive, onset: np.ndarray, label: np.ndarray, targets: np.ndarray | None, source: str
) -> tuple[Session, ...]:
    samples = found["samples"]
    start = found.get("session_start", np.array([0])).astype(np.int64)
    edges = np.append(start, len(samples))
    if start.ndim != 1 or start.size == 0 or start[0] != 0 or (np.diff(edges) <= 0).any():
        raise RecordingError(f"{source}: session_start must ascend from 0 and stay below {len(samples)} samples")
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
            None if targets is None else targets[edges[i] : edges[i + 1]],
        )
        for i, name in enumerate(names)
    )
