"""Which session, and which stretch of it, belongs to training, validation and test: the protocols.

A protocol turns a recording into folds. A fold is again a `Recording`, of whole streams that are decoded from reset, with its
test sessions named; so whoever can train on a recording can run any protocol. Where one session serves both sides it is cut at
a cue, and each side becomes a session of its own: no window and no filter history crosses the cut.

Test sessions give nothing but test windows. Validation is the last part of every training session, by time; a stretch of at
least one whole window, filter history included, lies between it and the last training window (models.windows).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.recording import Recording, RecordingError, Session

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.25
GIVEN, WITHIN_SESSION, SESSION_TRANSFER = "given", "within-session", "session-transfer"
FEW_SHOT, LEAVE_ONE_SUBJECT_OUT = "few-shot", "leave-one-subject-out"
PROTOCOLS = (GIVEN, WITHIN_SESSION, SESSION_TRANSFER, FEW_SHOT, LEAVE_ONE_SUBJECT_OUT)


@dataclass(frozen=True)
class Protocol:
    """One of PROTOCOLS; `shots`: calibration trials per class, of few-shot alone."""

    name: str
    shots: int = 0

    def __str__(self) -> str:
        return f"{self.name}:{self.shots}" if self.name == FEW_SHOT else self.name


def read_protocol(text: str) -> Protocol:
    """`given`, `within-session`, `session-transfer`, `few-shot:N`, `leave-one-subject-out`. Raises RecordingError."""
    name, _, shots = text.partition(":")
    if name not in PROTOCOLS or (shots and name != FEW_SHOT):
        raise RecordingError(f"protocol {text!r} is unknown; use one of {', '.join(PROTOCOLS)}, few-shot as few-shot:5")
    if name == FEW_SHOT and not (shots.isdecimal() and int(shots) > 0):
        raise RecordingError(f"protocol {text!r} says not how many trials per class calibrate; write few-shot:5")
    return Protocol(name, int(shots) if shots else 0)


def folds(recording: Recording, protocol: Protocol) -> list[Recording]:
    """The folds of one subject's recording, in the order of time. Raises RecordingError where there is none."""
    if protocol.name == WITHIN_SESSION:
        return _within_session(recording)
    if protocol.name == SESSION_TRANSFER:
        return _session_transfer(recording)
    if protocol.name == FEW_SHOT:
        return _few_shot(recording, protocol.shots)
    if protocol.name == LEAVE_ONE_SUBJECT_OUT:
        raise RecordingError(f"{recording.source}: leave-one-subject-out needs the recordings of two subjects; give more")
    return [with_test_sessions(recording)]


def subject_folds(recordings: Sequence[Recording]) -> list[Recording]:
    """One fold per recording: its subject tests, all others train. All have the same electrodes, rate and classes."""
    first = recordings[0]
    if len(recordings) < 2:
        raise RecordingError(f"{first.source}: leave-one-subject-out needs the recordings of two subjects; give more")
    for other in recordings[1:]:
        for field in ("kind", "sample_hz", "electrodes", "label_names", "target_names", "decide_s"):
            if getattr(other, field) != getattr(first, field):
                raise RecordingError(f"{other.source}: has another {field} than {first.source}; leave it out")
    named = [_named_after_subject(recording, i) for i, recording in enumerate(recordings)]
    everyone = tuple(session for sessions in named for session in sessions)
    return [
        replace(
            first, source=f"{held.source}, held out", sessions=everyone, test_sessions=tuple(each.name for each in sessions)
        )
        for held, sessions in zip(recordings, named, strict=True)
    ]


def _named_after_subject(recording: Recording, subject: int) -> tuple[Session, ...]:
    return tuple(replace(session, name=f"{subject + 1}: {session.name}") for session in recording.sessions)


def with_test_sessions(recording: Recording) -> Recording:
    """The recording with its test sessions named: its own, else its last one, else the last quarter of its only one."""
    if recording.test_sessions:
        return recording
    if len(recording.sessions) > 1:
        return replace(recording, test_sessions=(recording.sessions[-1].name,))
    early, late = _cut(recording.sessions[0], recording.source)
    return replace(recording, sessions=(early, late), test_sessions=(late.name,))


def _within_session(recording: Recording) -> list[Recording]:
    """One fold per session: its last quarter tests what the rest of the same session trained."""
    pairs = [_cut(session, recording.source) for session in recording.sessions]
    return [_fold(recording, (early, late), late.name) for early, late in pairs]


def _session_transfer(recording: Recording) -> list[Recording]:
    """One fold per session from the second on: it tests what all sessions before it trained."""
    sessions = recording.sessions
    if len(sessions) < 2:
        raise RecordingError(f"{recording.source}: session-transfer needs two sessions; use within-session")
    return [_fold(recording, sessions[: i + 1], sessions[i].name) for i in range(1, len(sessions))]


def _few_shot(recording: Recording, shots: int) -> list[Recording]:
    """One fold per test session: its first trials, `shots` of each class, train beside the training sessions, the rest tests.

    Trials of a class that has its `shots` already, lying before the last calibration trial, belong to neither side.
    """
    given = with_test_sessions(recording)
    older = tuple(session for session in given.sessions if session.name not in given.test_sessions)
    new = [session for session in given.sessions if session.name in given.test_sessions]
    pairs = [_calibration(session, shots, len(given.label_names), given.source) for session in new]
    return [_fold(given, (*older, calibration, rest), rest.name) for calibration, rest in pairs]


def _fold(recording: Recording, sessions: tuple[Session, ...], test: str) -> Recording:
    return replace(recording, source=f"{recording.source}, {test}", sessions=sessions, test_sessions=(test,))


def _calibration(session: Session, shots: int, classes: int, source: str) -> tuple[Session, Session]:
    order = np.argsort(session.onset, kind="stable")
    onset, label = session.onset[order], session.label[order]
    seen = np.stack([np.cumsum(label == i) for i in range(classes)], axis=1) if classes else np.zeros((0, 1))
    complete = np.flatnonzero((seen >= shots).all(axis=1))
    if complete.size == 0 or complete[0] + 1 == len(onset):
        fit = int(seen[:-1].min(axis=1).max(initial=0)) if classes else 0
        advice = f"use {fit} or fewer" if fit else "use another recording"
        raise RecordingError(
            f"{source}: session {session.name} has too few cues for {shots} of each class and a test; {advice}"
        )
    first = int(complete[0]) + 1
    kept = seen[np.arange(first), label[:first]] <= shots
    calibration, rest = _cut_before(session, onset, label, first, ("calibration", "rest"))
    return replace(calibration, onset=onset[:first][kept], label=label[:first][kept]), rest


def _cut(session: Session, source: str) -> tuple[Session, Session]:
    if session.targets is not None and session.onset.size == 0:
        cut = len(session.samples) - round(TEST_SHARE * len(session.samples))
        return _parts(session, cut, (session.onset, session.label), (session.onset, session.label), ("early", "late"))
    order = np.argsort(session.onset, kind="stable")
    onset, label = session.onset[order], session.label[order]
    first = len(onset) - max(1, round(TEST_SHARE * len(onset)))
    if first < 1:
        raise RecordingError(f"{source}: {len(onset)} labelled cues cannot be split into training and test; record more")
    return _cut_before(session, onset, label, first, ("early", "late"))


def _cut_before(
    session: Session, onset: np.ndarray, label: np.ndarray, first: int, names: tuple[str, str]
) -> tuple[Session, Session]:
    """`onset` ascending: the stream before cue number `first`, and from it on."""
    cut = int(onset[first])
    return _parts(session, cut, (onset[:first], label[:first]), (onset[first:] - cut, label[first:]), names)


def _parts(
    session: Session,
    cut: int,
    before: tuple[np.ndarray, np.ndarray],
    after: tuple[np.ndarray, np.ndarray],
    names: tuple[str, str],
) -> tuple[Session, Session]:
    course = (None, None) if session.targets is None else (session.targets[:cut], session.targets[cut:])
    early = Session(f"{session.name} {names[0]}", session.samples[:cut], *before, targets=course[0])
    late = Session(f"{session.name} {names[1]}", session.samples[cut:], *after, targets=course[1])
    return early, late


def training_sessions(recording: Recording) -> list[int]:
    """Indices of the sessions that are not kept for the test; RecordingError if there is none."""
    found = [i for i, session in enumerate(recording.sessions) if session.name not in recording.test_sessions]
    if not found:
        raise RecordingError(f"{recording.source}: every session is a test session; leave at least one for training")
    return found


def validation_start(cues: int) -> int:
    """Of a training session's cues in the order of time: index of the first that validates."""
    return cues - max(1, round(VALIDATION_SHARE * cues)) if cues > 1 else cues
