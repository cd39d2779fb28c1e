"""Which session, and which stretch of it, belongs to training, validation and test.

Test sessions give nothing but test windows. Validation is the last part of every training session, by time; a stretch of at
least one whole window, filter history included, lies between it and the last training window.
"""

from dataclasses import replace

import numpy as np

from models.recording import Recording, RecordingError, Session

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.25


def with_test_sessions(recording: Recording) -> Recording:
    """The recording with its test sessions named: its own, else its last one, else the last quarter of its only one."""
    if recording.test_sessions:
        return recording
    if len(recording.sessions) > 1:
        return replace(recording, test_sessions=(recording.sessions[-1].name,))
    early, late = _cut(recording.sessions[0], recording.source)
    return replace(recording, sessions=(early, late), test_sessions=(late.name,))


def _cut(session: Session, source: str) -> tuple[Session, Session]:
    order = np.argsort(session.onset, kind="stable")
    onset, label = session.onset[order], session.label[order]
    first = len(onset) - max(1, round(TEST_SHARE * len(onset)))
    if first < 1:
        raise RecordingError(f"{source}: {len(onset)} labelled cues cannot be split into training and test; record more")
    cut = int(onset[first])
    early = Session(f"{session.name} early", session.samples[:cut], onset[:first], label[:first])
    late = Session(f"{session.name} late", session.samples[cut:], onset[first:] - cut, label[first:])
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
