"""Every protocol, over recordings that hypothesis draws: no test window meets a training or validation one, filter history
included, and what is fitted does not change when the test part does."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from designs.ind_tiny import IND_TINY
from models.baselines.csp import CommonSpatialPatterns
from models.baselines.ridge import RidgeWithLags
from models.converter import calibrate
from models.recording import Recording, RecordingError, Session
from models.splits import folds, read_protocol, subject_folds, training_sessions
from models.trials import windows_of
from models.windows import decoding_set, history_tokens

PROTOCOLS = ("given", "within-session", "session-transfer", "few-shot:2", "few-shot:3")
TOKEN = IND_TINY.tokenizer.token_samples
SPEC = IND_TINY.tokenizer


def refused(message: str):
    return pytest.raises(RecordingError, match=f"^{re.escape(message)}")


@st.composite
def recordings(draw, kind: str = "voltage"):
    """Two to four sessions with cues at uneven times. Channel 0 counts samples over the whole recording, so that whoever
    cuts, moves or copies a stretch of it cannot hide where the stretch came from."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sessions, first = [], 0
    for number in range(draw(st.integers(2, 4))):
        cues = draw(st.integers(24, 40))
        gaps = rng.integers(480, 1400, cues)
        onset = 700 + np.cumsum(gaps) - gaps[0]
        length = int(onset[-1]) + 700
        samples = rng.normal(0, 20, (length, SPEC.channels)).astype(np.float32)
        samples[:, 0] = np.arange(first, first + length)
        label = rng.permutation(np.arange(cues) % 4)
        sessions.append(Session(f"day{number}", samples, onset, label))
        first += length
    names = ("one", "two", "three", "four")
    return Recording("drawn", kind, 600.0, ("A", "B", "C", "D"), names, tuple(sessions), 0.8)


def spans(fold: Recording, stream: np.ndarray, begin: np.ndarray, end: np.ndarray) -> list[tuple[int, int]]:
    """Places [begin, end) in streams -> places in the recording that the fold was cut from, by channel 0."""
    start = [int(session.samples[0, 0]) for session in fold.sessions]
    return [(start[s] + int(a), start[s] + int(b)) for s, a, b in zip(stream, begin, end, strict=True)]


def design_spans(fold: Recording, part: str, history: bool) -> list[tuple[int, int]]:
    """What the windows of a part look at; history: what their filters see before them as well, from reset at the earliest."""
    found = decoding_set(fold, IND_TINY)
    chosen = found.windows_of(part)
    end = (found.window_token[chosen] + 1) * TOKEN
    before = history_tokens(IND_TINY) if history else 0
    begin = np.maximum(end - (IND_TINY.model.tokens + before) * TOKEN, 0)
    return spans(fold, found.window_stream[chosen], begin, end)


def apart(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> bool:
    starts, ends = np.array(some).T
    return not any(((starts < end) & (begin < ends)).any() for begin, end in others)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=8, deadline=None)
@given(recording=recordings())
def test_no_window_of_the_test_meets_what_training_and_validation_saw(protocol, recording):
    for fold in folds(recording, read_protocol(protocol)):
        test = design_spans(fold, "test", history=True)
        for part in ("train", "validation"):
            assert apart(design_spans(fold, part, history=False), test)
            assert apart(design_spans(fold, part, history=True), design_spans(fold, "test", history=False))
        assert apart(design_spans(fold, "train", history=True), design_spans(fold, "validation", history=False))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=8, deadline=None)
@given(recording=recordings())
def test_no_window_of_a_baseline_meets_one_of_the_other_part(protocol, recording):
    for fold in folds(recording, read_protocol(protocol)):
        train, test = windows_of(fold)
        kept = training_sessions(fold)
        others = [i for i in range(len(fold.sessions)) if i not in kept]
        learnt = spans(fold, np.array(kept)[train.stream], train.end - train.length, train.end)
        asked = spans(fold, np.array(others)[test.stream], test.end - test.length, test.end)
        assert apart(learnt, asked)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=4, deadline=None)
@given(recording=recordings(), seed=st.integers(0, 99))
def test_what_is_fitted_comes_from_the_training_part(protocol, recording, seed):
    fold = folds(recording, read_protocol(protocol))[0]
    changed = with_other_test(fold, seed)
    train = training_sessions(fold)
    before, after = (calibrate(each, train, SPEC.sample) for each in (fold, changed))
    assert (before.lsb_uv, before.offset_uv.tolist()) == (after.lsb_uv, after.offset_uv.tolist())
    models = [CommonSpatialPatterns(), CommonSpatialPatterns()]
    for model, each in zip(models, (fold, changed), strict=True):
        model.fit(windows_of(each)[0], 0)
    assert all(np.array_equal(models[0].arrays[key], models[1].arrays[key]) for key in models[0].arrays)


def with_other_test(fold: Recording, seed: int) -> Recording:
    """Other samples and targets in the test sessions."""
    rng = np.random.default_rng(seed)

    def changed(session: Session) -> Session:
        samples = (rng.normal(50, 300, session.samples.shape)).astype(np.float32)
        targets = None if session.targets is None else rng.normal(9, 9, session.targets.shape).astype(np.float32)
        return replace(session, samples=samples, targets=targets)

    sessions = [changed(session) if session.name in fold.test_sessions else session for session in fold.sessions]
    return replace(fold, sessions=tuple(sessions))


def regression(rows: int = 400) -> Recording:
    rng, none = np.random.default_rng(0), np.zeros(0, np.int64)
    sessions = []
    for number in range(2):
        samples = rng.normal(size=(rows, 3)).astype(np.float32)
        samples[:, 0] = np.arange(rows) + number * rows
        sessions.append(Session(f"day{number}", samples, none, none, targets=samples[:, 1:2] * 2))
    return Recording("course", "counts", 20.0, ("A", "B", "C"), (), tuple(sessions), 0.0)


@pytest.mark.parametrize("protocol", ["given", "within-session", "session-transfer"])
def test_courses_of_behaviour_are_split_in_time_and_fitted_on_the_training_part(protocol):
    for fold in folds(regression(), read_protocol(protocol)):
        train, test = windows_of(fold)
        assert not set(train.signal()[:, 0].ravel()) & set(test.signal()[:, 0].ravel())
        assert np.array_equal(train.targets[:, 0], train.signal()[:, 1, -1] * 2)
        models = [RidgeWithLags(), RidgeWithLags()]
        for model, each in zip(models, (fold, with_other_test(fold, 1)), strict=True):
            model.fit(windows_of(each)[0], 0)
        assert all(np.array_equal(models[0].arrays[key], models[1].arrays[key]) for key in models[0].arrays)


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
    with refused("noise: session day3 has too few cues for 5 of each class and a test; use fewer"):
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
