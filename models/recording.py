"""Recording: sessions of neural signals with labelled cues, checked on creation; and what a design asks of one."""

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np

from designs.schema import Design

KINDS = ("voltage", "features", "counts")
NAMED_AT_MOST = 6


class RecordingError(ValueError):
    """A recording that cannot be used; the message says which, what is wrong, and what to do."""


class RecordingWarning(UserWarning):
    """A recording that can be used although something in it is broken."""


@dataclass(frozen=True)
class Session:
    """One stretch of signal without gaps.

    samples float32 [samples, channels], microvolt (kind voltage) or the source's own unit; onset int64 [events]: sample of
    each cue; label int64 [events]: index into the recording's label_names; targets float32 [samples, outputs] where the
    source has behaviour instead of cues, NaN in rows that are neither learned nor scored.
    """

    name: str
    samples: np.ndarray
    onset: np.ndarray
    label: np.ndarray
    targets: np.ndarray | None = None


@dataclass(frozen=True)
class Recording:
    """Sessions of one subject on the same electrodes: shapes, cues and numbers fit together, or there is no Recording.

    The samples themselves are judged by `fit_to_design`, on the electrodes that the design takes.

    `decide_s`: seconds from a cue to the end of the window that is decided on. `test_sessions`: names of the sessions kept
    for the test; empty: the last one (models.splits). `target_names`: what the columns of targets are; empty: not known.
    """

    source: str
    kind: str
    sample_hz: float
    electrodes: tuple[str, ...]
    label_names: tuple[str, ...]
    sessions: tuple[Session, ...]
    decide_s: float
    test_sessions: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._require(self.kind in KINDS, f"kind {self.kind!r} is unknown; use one of {', '.join(KINDS)}")
        self._require(
            np.isfinite(self.sample_hz) and self.sample_hz > 0, f"sample_hz={self.sample_hz} is not positive; correct the file"
        )
        self._require(len(self.sessions) > 0, "holds no session; give it at least one")
        names = [session.name for session in self.sessions]
        self._require(len(set(names)) == len(names), "two sessions have the same name; rename one")
        unknown = sorted(set(self.test_sessions) - set(names))
        self._require(not unknown, f"test session {', '.join(unknown)} is not among its sessions {', '.join(names)}")
        self._require(len(set(self.electrodes)) == len(self.electrodes), "two electrodes have the same name; rename one")
        needed = "a positive number of seconds" if self.events else "a number of seconds"
        self._require(
            math.isfinite(self.decide_s) and (self.decide_s > 0 or not self.events),
            f"decide_s={self.decide_s} is not {needed}; correct it",
        )
        object.__setattr__(self, "sessions", tuple(self._checked(session) for session in self.sessions))
        longest_s = max(len(session.samples) for session in self.sessions) / self.sample_hz
        self._require(
            self.events == 0 or self.decide_s <= longest_s,
            f"decide_s={self.decide_s:g} is longer than every session, the longest has {longest_s:g} s; correct it",
        )

    def _require(self, ok: bool, message: str) -> None:
        if not ok:
            raise RecordingError(f"{self.source}: {message}")

    def _checked(self, session: Session) -> Session:
        samples, who = session.samples, f"session {session.name}"
        self._require(
            samples.ndim == 2 and samples.shape[1] == len(self.electrodes) and len(samples) > 0,
            f"{who} has shape {list(samples.shape)} where [samples, {len(self.electrodes)} channels] is needed",
        )
        self._require(
            session.onset.shape == session.label.shape and session.onset.ndim == 1,
            f"{who} has {session.onset.size} cues but {session.label.size} labels",
        )
        inside = (session.onset >= 0) & (session.onset < len(samples))
        self._require(bool(inside.all()), f"{who} has {(~inside).sum()} cues outside its {len(samples)} samples; correct them")
        known = (session.label >= 0) & (session.label < len(self.label_names))
        self._require(bool(known.all()), f"{who} has labels outside 0 to {len(self.label_names) - 1}; correct them")
        if session.targets is not None:
            self._check_targets(session.targets, who, len(samples))
        with np.errstate(over="ignore"):  # infinite then, and refused as such
            return replace(session, samples=samples.astype(np.float32, copy=False))

    def _check_targets(self, targets: np.ndarray, who: str, samples: int) -> None:
        self._require(
            targets.ndim == 2 and len(targets) == samples,
            f"{who} has targets of shape {list(targets.shape)} where [{samples}, outputs] is needed",
        )
        self._require(
            len(self.target_names) in (0, targets.shape[1]),
            f"{who} has {targets.shape[1]} targets, but {len(self.target_names)} are named; name each one",
        )

    @property
    def events(self) -> int:
        """Cues of all sessions."""
        return sum(session.onset.size for session in self.sessions)


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def constant_channels(samples: np.ndarray) -> np.ndarray:
    """samples [samples, channels] -> bool [channels]: those that never change, a dead electrode's."""
    return np.asarray(samples.min(axis=0) == samples.max(axis=0))


def _judge_samples(recording: Recording) -> None:
    """Refuse channels with samples that are no numbers; warn of constant ones, whose converter codes will be 0."""
    for session in recording.sessions:
        who = f"{recording.source}: session {session.name}"
        broken = ~np.isfinite(session.samples).all(axis=0)
        if broken.any():
            named = _listed([name for name, gone in zip(recording.electrodes, broken, strict=True) if gone])
            raise RecordingError(f"{who} has NaN or infinite samples in channel {named}; repair or drop them in the file")
        dead = constant_channels(session.samples)
        if dead.any():
            named = _listed([name for name, gone in zip(recording.electrodes, dead, strict=True) if gone])
            message = f"{who}: channel {named} is constant and counts as zero; check the electrode"
            warnings.warn(message, RecordingWarning, stacklevel=3)


def fit_to_design(recording: Recording, design: Design) -> Recording:
    """The recording reduced to the electrodes that the design takes, in the design's order.

    Raises RecordingError, one line, where the design cannot take the recording or a sample on these electrodes is no number;
    RecordingWarning for those that are constant in a session. The other electrodes do not matter.
    """
    tokenizer, source = design.tokenizer, recording.source
    if recording.kind != tokenizer.signal:
        wanted = "voltages" if tokenizer.signal == "voltage" else tokenizer.signal
        raise RecordingError(
            f"{source}: holds {recording.kind}, but {design.name} starts from {wanted}; "
            f"use a recording of at least {tokenizer.channels} channels at {tokenizer.sample_hz} Hz"
        )
    if design.model.regression:
        _judge_targets(recording, design)
    elif recording.events == 0:
        raise RecordingError(
            f"{source}: has no labelled cues, nothing to train on; use a recording with cues of {design.model.outputs} classes"
        )
    if recording.sample_hz != tokenizer.sample_hz and not (
        tokenizer.ready and round(recording.sample_hz) == tokenizer.sample_hz
    ):
        raise RecordingError(
            f"{source}: sampled at {recording.sample_hz:g} Hz, but {design.name} takes {tokenizer.sample_hz} Hz; "
            f"resample it, or use a design with sample_hz={recording.sample_hz:g}"
        )
    if not design.model.regression and len(recording.label_names) != design.model.outputs:
        raise RecordingError(
            f"{source}: has {len(recording.label_names)} classes ({', '.join(recording.label_names)}), but {design.name} has "
            f"outputs={design.model.outputs}; choose another --task or design"
        )
    columns = _columns(recording, design)
    if columns != list(range(len(recording.electrodes))):
        sessions = tuple(replace(session, samples=session.samples[:, columns]) for session in recording.sessions)
        recording = replace(recording, sessions=sessions, electrodes=tuple(recording.electrodes[i] for i in columns))
    _judge_samples(recording)
    return recording


def _judge_targets(recording: Recording, design: Design) -> None:
    outputs = {0 if session.targets is None else session.targets.shape[1] for session in recording.sessions}
    if outputs != {design.model.outputs}:
        found = ", ".join(map(str, sorted(outputs)))
        raise RecordingError(
            f"{recording.source}: has {found} targets per sample, but {design.name} has outputs={design.model.outputs}; "
            f"choose another --task or design"
        )


def _columns(recording: Recording, design: Design) -> list[int]:
    tokenizer, source = design.tokenizer, recording.source
    if len(recording.electrodes) < tokenizer.channels:
        raise RecordingError(
            f"{source}: has {len(recording.electrodes)} channels, but {design.name} takes {tokenizer.channels}; "
            f"use a recording with more channels, or a design with channels={len(recording.electrodes)}"
        )
    if not tokenizer.electrodes:
        return list(range(tokenizer.channels))
    place = {name.casefold(): i for i, name in enumerate(recording.electrodes)}
    missing = [name for name in tokenizer.electrodes if name.casefold() not in place]
    if missing:
        raise RecordingError(
            f"{source}: has no electrode {_listed(missing)}, which {design.name} takes; rename the channels of the recording "
            f"or TokenizerSpec.electrodes"
        )
    return [place[name.casefold()] for name in tokenizer.electrodes]
