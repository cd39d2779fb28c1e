"""Recording: sessions of neural signals with labelled cues, checked on creation; and what a design asks of one."""

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
    source has behaviour instead of cues.
    """

    name: str
    samples: np.ndarray
    onset: np.ndarray
    label: np.ndarray
    targets: np.ndarray | None = None


@dataclass(frozen=True)
class Recording:
    """Sessions of one subject on the same electrodes.

    `decide_s`: seconds from a cue to the end of the window that is decided on. `test_sessions`: names of the sessions kept
    for the test; empty: the last one (models.splits).
    """

    source: str
    kind: str
    sample_hz: float
    electrodes: tuple[str, ...]
    label_names: tuple[str, ...]
    sessions: tuple[Session, ...]
    decide_s: float
    test_sessions: tuple[str, ...] = ()

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
        object.__setattr__(self, "sessions", tuple(self._checked(session) for session in self.sessions))

    def _require(self, ok: bool, message: str) -> None:
        if not ok:
            raise RecordingError(f"{self.source}: {message}")

    def _checked(self, session: Session) -> Session:
        samples, who = session.samples, f"session {session.name}"
        self._require(
            samples.ndim == 2 and samples.shape[1] == len(self.electrodes) and len(samples) > 0,
            f"{who} has shape {list(samples.shape)} where [samples, {len(self.electrodes)} channels] is needed",
        )
        broken = [name for name, ok in zip(self.electrodes, np.isfinite(samples).all(axis=0), strict=True) if not ok]
        self._require(
            not broken, f"{who} has NaN or infinite samples in channel {_listed(broken)}; repair or drop them in the file"
        )
        self._require(
            session.onset.shape == session.label.shape and session.onset.ndim == 1,
            f"{who} has {len(session.onset)} cues but {len(session.label)} labels",
        )
        inside = (session.onset >= 0) & (session.onset < len(samples))
        self._require(bool(inside.all()), f"{who} has {(~inside).sum()} cues outside its {len(samples)} samples; correct them")
        known = (session.label >= 0) & (session.label < len(self.label_names))
        self._require(bool(known.all()), f"{who} has labels outside 0 to {len(self.label_names) - 1}; correct them")
        return self._without_constants(replace(session, samples=samples.astype(np.float32, copy=False)))

    def _without_constants(self, session: Session) -> Session:
        dead = np.ptp(session.samples, axis=0) == 0
        if self.kind != "voltage" or not dead.any():
            return session
        named = _listed([name for name, gone in zip(self.electrodes, dead, strict=True) if gone])
        who = f"{self.source}: session {session.name}"
        warnings.warn(
            f"{who}: channel {named} is constant and counts as zero; check the electrode", RecordingWarning, stacklevel=5
        )
        return replace(session, samples=np.where(dead, np.float32(0), session.samples))

    @property
    def events(self) -> int:
        """Cues of all sessions."""
        return sum(len(session.onset) for session in self.sessions)


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def fit_to_design(recording: Recording, design: Design) -> Recording:
    """The recording reduced to the electrodes that the design takes, in the design's order.

    Raises RecordingError, one line, where the design cannot take the recording.
    """
    tokenizer, source = design.tokenizer, recording.source
    if recording.kind != "voltage":
        raise RecordingError(
            f"{source}: holds {recording.kind}, but {design.name} starts from voltages; "
            f"use a recording of at least {tokenizer.channels} channels at {tokenizer.sample_hz} Hz"
        )
    if recording.events == 0:
        raise RecordingError(
            f"{source}: has no labelled cues, nothing to train on; use a recording with cues of {design.model.outputs} classes"
        )
    if recording.sample_hz != tokenizer.sample_hz:
        raise RecordingError(
            f"{source}: sampled at {recording.sample_hz:g} Hz, but {design.name} takes {tokenizer.sample_hz} Hz; "
            f"resample it, or use a design with sample_hz={recording.sample_hz:g}"
        )
    if len(recording.label_names) != design.model.outputs:
        raise RecordingError(
            f"{source}: has {len(recording.label_names)} classes ({', '.join(recording.label_names)}), but {design.name} has "
            f"outputs={design.model.outputs}; choose another --task or design"
        )
    columns = _columns(recording, design)
    if columns == list(range(len(recording.electrodes))):
        return recording
    sessions = tuple(replace(session, samples=session.samples[:, columns]) for session in recording.sessions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)  # said when the whole recording was made
        return replace(recording, sessions=sessions, electrodes=tuple(recording.electrodes[i] for i in columns))


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
