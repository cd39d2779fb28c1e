"""Offline sessions, a few calibration trials of a new session, and what tests: the protocol that distillation is made for.

With cues it is `few-shot:N` of models.splits: older sessions, the first N trials of each class of the new one, and what lies
behind the longest calibration of a plan, so that every N is tested on the same trials. Where behaviour is recorded instead of
cues there are no trials to count: the recording's own test part tests, and a "trial" is SHOT_S of the training part, whose last
N * SHOT_S calibrate. Offline is then what lies before the longest calibration, so that one teacher serves every N.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

from models.fold_digest import fold_digest
from models.recording import Recording, RecordingError, Session
from models.splits import FEW_SHOT, Protocol, folds, training_sessions, with_test_sessions

SHOT_S = 4.0
"""About a reach, or a trial of imagery."""
OFFLINE_SHARE = 0.5
"""Of the training part, at least, stays offline where behaviour is recorded."""


@dataclass(frozen=True)
class CalibrationFold:
    """A fold, its test sessions named, and which of its other sessions calibrate; the rest are offline."""

    recording: Recording
    calibration: tuple[str, ...]
    shots: int

    @cached_property
    def digest(self) -> str:
        """Of everything in it that a result may depend on."""
        return hashlib.sha256(f"{fold_digest(self.recording)} {self.calibration}".encode()).hexdigest()

    @property
    def offline(self) -> tuple[str, ...]:
        """Names of the offline sessions."""
        new = {*self.calibration, *self.recording.test_sessions}
        return tuple(session.name for session in self.recording.sessions if session.name not in new)

    def sessions(self, names: tuple[str, ...]) -> list[int]:
        """Indices of the sessions with these names."""
        return [i for i, session in enumerate(self.recording.sessions) if session.name in names]


def calibration_folds(recording: Recording, shots: int, most: int | None = None) -> list[CalibrationFold]:
    """In the order of time. most: the largest number of shots of the plan, None: `shots`. RecordingError where there are too
    few trials, or no offline session."""
    if recording.events == 0:
        return [_of_values(with_test_sessions(recording), shots, max(shots, most or shots))]
    old = {session.name for session in recording.sessions}
    found, longest = [], folds(recording, Protocol(FEW_SHOT, max(shots, most or shots)))
    for fold, tested in zip(folds(recording, Protocol(FEW_SHOT, shots)), longest, strict=True):
        fold = _tested_on(fold, tested)
        new = [session.name for session in fold.sessions if session.name not in old | set(fold.test_sessions)]
        offline = [session for session in fold.sessions if session.name in old]
        if not offline:
            raise RecordingError(f"{recording.source}: has no session before the new one; use a recording of several sessions")
        found.append(CalibrationFold(fold, tuple(new), shots))
    return found


def _tested_on(fold: Recording, other: Recording) -> Recording:
    """`fold` with the test sessions of `other`, which is cut later."""
    tests = tuple(session for session in other.sessions if session.name in other.test_sessions)
    kept = tuple(session for session in fold.sessions if session.name not in fold.test_sessions)
    return replace(fold, sessions=(*kept, *tests), test_sessions=other.test_sessions)


def _of_values(given: Recording, shots: int, most: int) -> CalibrationFold:
    train = [given.sessions[i] for i in training_sessions(given)]
    tests = tuple(session for session in given.sessions if session.name in given.test_sessions)
    rows = sum(len(session.samples) for session in train)
    size = round(SHOT_S * given.sample_hz)
    if rows - most * size < OFFLINE_SHARE * rows:
        fit = int((1 - OFFLINE_SHARE) * rows / size)
        raise RecordingError(
            f"{given.source}: {most} shots of {SHOT_S:g} s leave less than half of its {rows / given.sample_hz:.0f} s of "
            f"training offline; use {fit} or fewer"
        )
    before, _ = _divided(train, most * size)
    _, calibration = _divided(train, shots * size)
    fold = replace(given, source=f"{given.source}, {shots} shots", sessions=(*before, *calibration, *tests))
    return CalibrationFold(fold, tuple(session.name for session in calibration), shots)


def _divided(sessions: list[Session], rows: int) -> tuple[list[Session], list[Session]]:
    """(what lies before the last `rows` rows of all sessions, these rows), a session that is cut giving to both."""
    early: list[Session] = []
    late: list[Session] = []
    for session in reversed(sessions):
        cut = max(0, len(session.samples) - rows)
        rows -= len(session.samples) - cut
        if cut:
            early.insert(0, _piece(session, slice(0, cut), "offline" if cut < len(session.samples) else ""))
        if cut < len(session.samples):
            late.insert(0, _piece(session, slice(cut, None), "calibration"))
    return early, late


def _piece(session: Session, part: slice, called: str) -> Session:
    course = None if session.targets is None else session.targets[part]
    return replace(session, name=f"{session.name} {called}".strip(), samples=session.samples[part], targets=course)
