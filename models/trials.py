"""Windows of a recording as the baselines take them: the signal around each cue, or before each moment with a target.

A cue's window reaches from the cue to `decide_s` after it. Where behaviour is recorded instead of cues, a window ends at every
row (voltages: every STEP_S) and holds the HISTORY_S before it, the row itself included. Windows that leave their stream are
left out, so nothing reaches from one session into another; so are moments whose targets are not known.
"""

from dataclasses import dataclass

import numpy as np

from models.recording import Recording, RecordingError, Session
from models.splits import training_sessions

HISTORY_S = 1.0
STEP_S = 0.05


@dataclass(frozen=True)
class Windows:
    """Windows over whole streams, gathered when they are asked for.

    streams: float32 [samples, channels] each; stream, end int64 [windows]: which stream, and the sample after the last one;
    length: samples per window; label int64 [windows] of `classes` classes, or targets float32 [windows, outputs].
    """

    streams: tuple[np.ndarray, ...]
    stream: np.ndarray
    end: np.ndarray
    length: int
    sample_hz: float
    kind: str
    label: np.ndarray | None = None
    targets: np.ndarray | None = None
    classes: int = 0

    def __len__(self) -> int:
        return len(self.end)

    @property
    def channels(self) -> int:
        return self.streams[0].shape[1]

    @property
    def outputs(self) -> int:
        """Classes, or values per target."""
        return self.classes if self.targets is None else self.targets.shape[1]

    @property
    def wanted(self) -> np.ndarray:
        """What a model should predict: labels int64 [windows] or targets float32 [windows, outputs]."""
        found = self.label if self.targets is None else self.targets
        assert found is not None
        return found

    def signal(self, last: int | None = None) -> np.ndarray:
        """float32 [windows, channels, samples]: every window, or its `last` samples."""
        last = self.length if last is None else last
        found = np.empty((len(self), self.channels, last), np.float32)
        for place, (stream, end) in enumerate(zip(self.stream, self.end, strict=True)):
            found[place] = self.streams[stream][end - last : end].T
        return found

    def take(self, chosen: np.ndarray) -> "Windows":
        """The windows `chosen`, over the same streams."""
        label = None if self.label is None else self.label[chosen]
        targets = None if self.targets is None else self.targets[chosen]
        ends = (self.stream[chosen], self.end[chosen])
        return Windows(self.streams, *ends, self.length, self.sample_hz, self.kind, label, targets, self.classes)


def windows_of(recording: Recording) -> tuple[Windows, Windows]:
    """(training, test) windows of a fold; RecordingError where one is empty or a training class is missing."""
    train = training_sessions(recording)
    test = [i for i in range(len(recording.sessions)) if i not in train]
    found = _windows(recording, train), _windows(recording, test)
    for part, windows in zip(("training", "test"), found, strict=True):
        if len(windows) == 0:
            raise RecordingError(f"{recording.source}: no {part} window fits its sessions; record longer, with more cues")
    if found[0].label is not None:
        if len(recording.label_names) < 2:
            raise RecordingError(
                f"{recording.source}: its cues are of one class, {recording.label_names[0]}; a decoder needs two to tell apart"
            )
        missing = set(range(len(recording.label_names))) - set(found[0].label.tolist())
        if missing:
            names = ", ".join(recording.label_names[i] for i in sorted(missing))
            raise RecordingError(f"{recording.source}: no training window of class {names}; use a recording with more cues")
    return found


def _windows(recording: Recording, chosen: list[int]) -> Windows:
    rate, sessions = recording.sample_hz, [recording.sessions[i] for i in chosen]
    for session in sessions:
        if not np.isfinite(session.samples).all():
            raise RecordingError(f"{recording.source}: session {session.name} has NaN or infinite samples; repair or drop them")
    streams = tuple(session.samples for session in sessions)
    if recording.events:
        length = round(recording.decide_s * rate)
        ends = [session.onset + length for session in sessions]
        kept = [end <= len(session.samples) for end, session in zip(ends, sessions, strict=True)]
        ends = [end[keep] for end, keep in zip(ends, kept, strict=True)]
        label = np.concatenate([session.label[keep] for session, keep in zip(sessions, kept, strict=True)])
        return Windows(
            streams,
            _numbers(ends),
            np.concatenate(ends),
            length,
            rate,
            recording.kind,
            label,
            classes=len(recording.label_names),
        )
    if any(session.targets is None for session in sessions):
        raise RecordingError(f"{recording.source}: has neither cues nor targets, nothing to train on; use another recording")
    length = max(1, round(HISTORY_S * rate))
    step = max(1, round(STEP_S * rate)) if recording.kind == "voltage" else 1
    ends = [_known_moments(session, length, step) for session in sessions]
    course = [session.targets[end - 1] for session, end in zip(sessions, ends, strict=True) if session.targets is not None]
    targets = np.concatenate(course).astype(np.float32)
    return Windows(streams, _numbers(ends), np.concatenate(ends), length, rate, recording.kind, targets=targets)


def _known_moments(session: Session, length: int, step: int) -> np.ndarray:
    """Ends of windows inside the session whose last row has targets."""
    ends = np.arange(length, len(session.samples) + 1, step)
    return ends if session.targets is None else ends[np.isfinite(session.targets[ends - 1]).all(axis=1)]


def _numbers(ends: list[np.ndarray]) -> np.ndarray:
    return np.repeat(np.arange(len(ends)), [len(end) for end in ends])
