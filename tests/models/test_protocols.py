"""Which sessions and cues each protocol puts on which side, and what it refuses; test_leaks.py has what must not cross."""

import re
from dataclasses import replace

import numpy as np
import pytest

from models.recording import RecordingError
from models.splits import folds, read_protocol, subject_folds


def refused(message: str):
    return pytest.raises(RecordingError, match=f"^{re.escape(message)}")


def test_within_a_session_its_last_quarter_tests(recording):
    found = folds(recording, read_protocol("within-session"))
    assert [fold.test_sessions for fold in found] == [("day1 late",), ("day2 late",), ("day3 late",)]
    assert [len(fold.sessions) for fold in found] == [2, 2, 2]
    assert [len(found[0].sessions[i].onset) for i in (0, 1)] == [15, 5]


def test_sessions_are_tested_by_what_came_before_them(recording):
    found = folds(recording, read_protocol("session-transfer"))
    names = [[session.name for session in fold.sessions] for fold in found]
    assert names == [["day1", "day2"], ["day1", "day2", "day3"]]
    assert [fold.test_sessions for fold in found] == [("day2",), ("day3",)]


def test_few_shot_calibrates_with_the_first_trials_of_the_new_session(recording):
    (fold,) = folds(recording, read_protocol("few-shot:2"))
    assert [session.name for session in fold.sessions] == ["day1", "day2", "day3 calibration", "day3 rest"]
    calibration, rest = fold.sessions[2:]
    assert sorted(calibration.label.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (len(rest.onset), rest.onset[0]) == (12, 0)
    whole = recording.sessions[2]
    assert np.array_equal(np.concatenate([calibration.samples, rest.samples]), whole.samples)
    assert np.array_equal(whole.onset[8:], rest.onset + len(calibration.samples))


def test_surplus_trials_before_the_last_calibration_trial_belong_to_nobody(recording):
    label = np.array([0, 0, 0, 1, 0, 1, *([0, 1, 2, 3] * 3), 2, 3])
    new = replace(recording.sessions[2], label=label)
    two = replace(recording, label_names=("a", "b", "c", "d"), sessions=(*recording.sessions[:2], new))
    (fold,) = folds(two, read_protocol("few-shot:1"))
    calibration, rest = fold.sessions[2:]
    assert calibration.label.tolist() == [0, 1, 2, 3]
    assert rest.label.tolist() == label[10:].tolist()


def test_too_many_shots_are_refused(recording):
    with refused("noise: session day3 has too few cues for 5 of each class and a test; use 4 or fewer"):
        folds(recording, read_protocol("few-shot:5"))


def test_each_subject_is_held_out_once(recording):
    other = replace(recording, source="second")
    found = subject_folds([recording, other])
    assert [fold.test_sessions for fold in found] == [("1: day1", "1: day2", "1: day3"), ("2: day1", "2: day2", "2: day3")]
    assert [fold.source for fold in found] == ["noise, held out", "second, held out"]
    assert all(len(fold.sessions) == 6 for fold in found)


def test_subjects_that_do_not_fit_together_are_refused(recording):
    with refused("noise: leave-one-subject-out needs the recordings of two subjects; give more"):
        subject_folds([recording])
    with refused("noise: leave-one-subject-out needs the recordings of two subjects; give more"):
        folds(recording, read_protocol("leave-one-subject-out"))
    with refused("slow: has another sample_hz than noise; leave it out"):
        subject_folds([recording, replace(recording, source="slow", sample_hz=300.0)])


def test_a_single_session_has_nothing_to_transfer_from(recording):
    only = replace(recording, sessions=recording.sessions[:1], test_sessions=())
    with refused("noise: session-transfer needs two sessions; use within-session"):
        folds(only, read_protocol("session-transfer"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("best", "protocol 'best' is unknown; use one of given, within-session, session-transfer, few-shot, leave-one"),
        ("given:3", "protocol 'given:3' is unknown; use one of "),
        ("few-shot", "protocol 'few-shot' says not how many trials per class calibrate; write few-shot:5"),
        ("few-shot:0", "protocol 'few-shot:0' says not how many"),
    ],
)
def test_an_unknown_protocol_is_one_line(text, message):
    with refused(message):
        read_protocol(text)
    assert str(read_protocol("few-shot:5")) == "few-shot:5"
