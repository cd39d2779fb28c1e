"""The protocol of distillation: what is offline, what calibrates, what tests, and that nobody sees what is not theirs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_recordings import counts, rhythms

from models.distillation.calibration_folds import CalibrationFold, calibration_folds
from models.distillation.calibration_task import CALIBRATION, OFFLINE, TEST, CalibrationTask, calibration_task
from models.ind_benchmark import design_for
from models.recording import Recording, RecordingError, Session

RECORDINGS = {"cues": rhythms, "counts": counts, "features": lambda: counts(kind="features")}
SIDES = ("student", "signal", "mixed")
every_kind = pytest.mark.parametrize("kind", RECORDINGS)


def fold_of(kind: str, shots: int = 2, most: int = 4) -> CalibrationFold:
    return calibration_folds(RECORDINGS[kind](), shots, most)[0]


def task_of(fold: CalibrationFold) -> CalibrationTask:
    return calibration_task(fold, design_for(fold.recording), spread=1)


def changed(fold: CalibrationFold, names: tuple[str, ...]) -> CalibrationFold:
    """Other samples, classes and targets in the sessions `names`."""
    rng = np.random.default_rng(3)

    def other(each: Session) -> Session:
        samples = (each.samples[::-1] * 3 + rng.poisson(40, each.samples.shape)).astype(np.float32)
        course = None if each.targets is None else rng.normal(9, 9, each.targets.shape).astype(np.float32)
        return replace(each, samples=samples, label=1 - each.label, targets=course)

    sessions = tuple(other(each) if each.name in names else each for each in fold.recording.sessions)
    return replace(fold, recording=replace(fold.recording, sessions=sessions))


def equal(first: CalibrationTask, second: CalibrationTask, part: str, side: str) -> bool:
    """side: student or signal; the windows of `part`, and what they are labelled with."""
    one, two = getattr(first, side)[part], getattr(second, side)[part]
    return torch.equal(one.all_tokens(), two.all_tokens()) and torch.equal(one.label, two.label)


def streams_of(task: CalibrationTask, part: str) -> set[int]:
    """Streams in which the teacher's windows of `part` lie, first sample to last."""
    rows = task.signal[part].rows
    ends = np.searchsorted(task.found.stream_start, rows[:, [0, -1]].numpy(), side="right") - 1
    return set(ends.ravel().tolist())


@every_kind
def test_the_test_part_changes_nothing_that_is_learned_from(kind):
    fold = fold_of(kind)
    first, second = task_of(fold), task_of(changed(fold, fold.recording.test_sessions))
    for part in (OFFLINE, CALIBRATION):
        assert all(equal(first, second, part, side) for side in SIDES)
    assert not any(equal(first, second, TEST, side) for side in SIDES)
    assert first.found.lsb_uv == second.found.lsb_uv
    assert first.spatial is None or torch.equal(first.spatial, second.spatial)
    for name in ("standardisation", "signal_standardisation"):
        assert torch.equal(getattr(first, name).scale, getattr(second, name).scale)
    assert first.targets is None or torch.equal(first.targets.scale, second.targets.scale)


@every_kind
def test_the_new_session_changes_nothing_that_a_teacher_learns_from(kind):
    fold = fold_of(kind)
    first, second = task_of(fold), task_of(changed(fold, (*fold.calibration, *fold.recording.test_sessions)))
    assert equal(first, second, OFFLINE, "signal")
    assert not equal(first, second, CALIBRATION, "signal")


@every_kind
def test_a_teacher_learns_from_the_same_windows_whatever_the_number_of_shots(kind):
    first, second = (task_of(fold_of(kind, shots)) for shots in (1, 4))
    assert equal(first, second, OFFLINE, "signal")
    assert len(first.student[CALIBRATION]) < len(second.student[CALIBRATION])


@every_kind
def test_every_part_lies_in_its_own_sessions(kind):
    fold = fold_of(kind)
    task = task_of(fold)
    assert streams_of(task, OFFLINE) == set(fold.sessions(fold.offline))
    assert streams_of(task, CALIBRATION) == set(fold.sessions(fold.calibration))
    assert streams_of(task, TEST) == set(fold.sessions(fold.recording.test_sessions))


@every_kind
def test_teacher_and_student_see_the_same_samples(kind):
    task = task_of(fold_of(kind))
    size, starts = task.design.tokenizer.token_samples, task.found.stream_start
    lengths = np.array([len(stream) // size for stream in task.found.streams])
    token_starts = np.cumsum([0, *lengths[:-1]])
    for part in (OFFLINE, CALIBRATION, TEST):
        tokens, samples = task.student[part].rows.numpy(), task.signal[part].rows.numpy()
        stream = np.searchsorted(token_starts, tokens[:, 0], side="right") - 1
        first = starts[stream] + (tokens[:, 0] - token_starts[stream]) * size
        assert np.array_equal(samples, first[:, None] + np.arange(tokens.shape[1] * size))


def test_the_mixed_signal_is_the_signal_behind_the_filter_with_a_deviation_of_its_own():
    task = task_of(fold_of("cues"))
    assert task.spatial is not None
    seen = task.signal[OFFLINE].rows.unique()  # a sample of several windows counts once
    wanted = (task.signal[OFFLINE].tokens[seen] * task.signal_standardisation.scale) @ task.spatial.T
    assert torch.allclose(task.mixed[OFFLINE].tokens[seen], wanted / wanted.std(dim=0, correction=0), atol=1e-3)
    for part in (OFFLINE, CALIBRATION, TEST):
        assert torch.equal(task.mixed[part].rows, task.signal[part].rows)
    assert task.read("mixed") is task.mixed and task.read("tokens") is task.student and task.read("signal") is task.signal


def test_the_students_decoding_set_holds_the_calibration_alone():
    task = task_of(fold_of("cues"))
    assert len(task.found.windows_of("train")) == len(task.student[CALIBRATION])
    assert len(task.found.windows_of("validation")) == task.trials == 4
    assert len(task.found.windows_of("test")) == len(task.student[TEST])
    assert set(task.found.window_stream.tolist()) == streams_of(task, CALIBRATION) | streams_of(task, TEST)


def test_shots_of_behaviour_are_the_last_seconds_of_training():
    recording = counts()
    few, many = (calibration_folds(recording, shots, 5)[0].recording for shots in (1, 5))
    train = recording.sessions[0].samples
    assert [session.name for session in few.sessions] == ["early offline", "early calibration", "late"]
    assert np.array_equal(few.sessions[1].samples, train[-80:])
    assert np.array_equal(many.sessions[1].samples, train[-400:])
    assert np.array_equal(few.sessions[0].samples, train[:-400]) and np.array_equal(many.sessions[0].samples, train[:-400])
    assert np.array_equal(few.sessions[2].samples, many.sessions[2].samples)


def test_a_calibration_may_reach_over_sessions():
    recording = counts()
    early, late = recording.sessions
    halves = [replace(early, name=name, samples=early.samples[part], targets=early.targets[part])
              for name, part in (("one", slice(0, 600)), ("two", slice(600, None)))]  # fmt: skip
    fold = calibration_folds(replace(recording, sessions=(*halves, late)), 5)[0]
    assert fold.offline == ("one offline",)
    assert fold.calibration == ("one calibration", "two calibration")
    assert sum(len(fold.recording.sessions[i].samples) for i in fold.sessions(fold.calibration)) == 400


def only_new(recording: Recording) -> Recording:
    return replace(recording, test_sessions=tuple(session.name for session in recording.sessions))


@pytest.mark.parametrize(
    ("recording", "shots", "line"),
    [
        (rhythms(), 12, "rhythms: session third has too few cues for 12 of each class and a test; use 11 or fewer"),
        (counts(), 6, "made: 6 shots of 4 s leave less than half of its 45 s of training offline; use 5 or fewer"),
        (only_new(rhythms()), 2, "rhythms: has no session before the new one; use a recording of several sessions"),
    ],
)
def test_too_few_trials_are_one_line(recording: Recording, shots: int, line: str) -> None:
    with pytest.raises(RecordingError) as caught:
        calibration_folds(recording, shots)
    assert str(caught.value) == line
