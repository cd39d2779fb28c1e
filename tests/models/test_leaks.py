"""Every protocol, over recordings that hypothesis draws: no test window meets what trained or validated, filter history
included, and nothing that is fitted changes when the test part does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fitted_models import few_steps, fitted
from hypothesis import given, settings
from hypothesis import strategies as st

from designs.ind_tiny import IND_TINY
from designs.schema import Design, PreprocessSpec
from models.benchmark_models import NAMES
from models.ind_benchmark import design_for
from models.recording import Recording, Session
from models.splits import LEAVE_ONE_SUBJECT_OUT, PROTOCOLS, folds, read_protocol, subject_folds, training_sessions
from models.trials import windows_of
from models.window_tensors import training_session_windows
from models.windows import decoding_set, history_tokens

TASKS = {"cues": "voltage", "values of voltages": "voltage", "values of counts": "counts", "values of features": "features"}
"""What is decoded -> kind of recording."""
WITH_CUES = ("given", "within-session", "session-transfer", "few-shot:2", "few-shot:3", LEAVE_ONE_SUBJECT_OUT)
WITH_VALUES = ("given", "within-session", "session-transfer", LEAVE_ONE_SUBJECT_OUT)
"""Few-shot counts trials, which courses of behaviour have not."""
EVERY = [(task, protocol) for task in TASKS for protocol in (WITH_CUES if task == "cues" else WITH_VALUES)]
every_protocol = pytest.mark.parametrize(("task", "protocol"), EVERY)


def session(name: str, task: str, rng: np.random.Generator) -> Session:
    """Cues at uneven times, or a course with unknown stretches; samples are noise."""
    none, targets = np.zeros(0, np.int64), None
    onset = label = none
    if task == "cues":
        cues = int(rng.integers(24, 33))
        onset = 700 + np.cumsum(rng.integers(480, 1400, cues))
        label, length = np.concatenate([rng.permutation(4) for _ in range(8)])[:cues], int(onset[-1]) + 700
    else:
        length = int(rng.integers(12_000, 18_000) if task == "values of voltages" else rng.integers(260, 400))
        targets = np.cumsum(rng.normal(size=(length, 2)), axis=0).astype(np.float32)
        for start in rng.integers(0, length, 3):
            targets[start : start + length // 40] = np.nan
    counted = task == "values of counts"
    samples = (rng.poisson(4, (length, 4)) if counted else rng.normal(0, 20, (length, 4))).astype(np.float32)
    return Session(name, samples, onset, label, targets)


def subjects_of(task: str, seed: int, decide_s: float) -> list[Recording]:
    """Two subjects on the same electrodes, two or three sessions each."""
    rng, names = np.random.default_rng(seed), ("a", "b", "c", "d") if task == "cues" else ()
    days = [[session(f"day{number}", task, rng) for number in range(int(rng.integers(2, 4)))] for _ in range(2)]
    rate, decide_s = (600.0 if TASKS[task] == "voltage" else 20.0), (decide_s if task == "cues" else 0.0)
    made = [Recording("drawn", TASKS[task], rate, ("A", "B", "C", "D"), names, tuple(each), decide_s) for each in days]
    return [replace(each, source=f"subject {number}") for number, each in enumerate(made)]


def with_places(subjects: list[Recording]) -> list[Recording]:
    """Channel 0 counts the samples over all sessions and subjects, so that whoever cuts, moves or copies a stretch cannot hide
    where it came from."""
    first, found = 0, []
    for subject in subjects:
        sessions = []
        for each in subject.sessions:
            samples = each.samples.copy()
            samples[:, 0] = np.arange(first, first + len(samples))
            first += len(samples)
            sessions.append(replace(each, samples=samples))
        found.append(replace(subject, sessions=tuple(sessions)))
    return found


def folds_under(protocol: str, subjects: list[Recording]) -> list[Recording]:
    return subject_folds(subjects) if protocol == LEAVE_ONE_SUBJECT_OUT else folds(subjects[0], read_protocol(protocol))


def placed_folds(protocol: str, task: str, seed: int) -> list[Recording]:
    return folds_under(protocol, with_places(subjects_of(task, seed, 0.8)))


def spans(fold: Recording, stream: np.ndarray, begin: np.ndarray, end: np.ndarray) -> list[tuple[int, int]]:
    """Places [begin, end) in streams -> places in the recording that the fold was cut from, by channel 0."""
    start = [int(each.samples[0, 0]) for each in fold.sessions]
    return [(start[s] + int(a), start[s] + int(b)) for s, a, b in zip(stream, begin, end, strict=True)]


class IndWindows:
    """Where the windows of the IND lie in the recording."""

    def __init__(self, fold: Recording, design: Design, spread: int | None):
        self.fold, self.design, self.spread = fold, design, spread
        self.found = decoding_set(fold, design, spread)

    def spans(self, part: str, history: bool) -> list[tuple[int, int]]:
        """Of a part, or of "both": the windows that a decoder trains on when validation has chosen. history: what their
        filters see before them as well, from reset at the earliest."""
        stream, last = self._both() if part == "both" else self._of(part)
        size, before = self.design.tokenizer.token_samples, history_tokens(self.design) if history else 0
        begin = np.maximum(last + 1 - self.design.model.tokens - before, 0) * size
        return spans(self.fold, stream, begin, (last + 1) * size)

    def _of(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.found.windows_of(part)
        return self.found.window_stream[chosen], self.found.window_token[chosen]

    def _both(self) -> tuple[np.ndarray, np.ndarray]:
        length = [len(codes) // self.design.tokenizer.token_samples for codes in self.found.streams]
        tokens = [torch.zeros(each, 1) for each in length]
        row = training_session_windows(self.found, tokens, self.design, self.spread or 1).rows[:, -1].numpy()
        start = np.cumsum([0, *length[:-1]])
        stream = np.searchsorted(start, row, side="right") - 1
        return stream, row - start[stream]


def apart(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> bool:
    starts, ends = np.array(some).T
    return not any(((starts < end) & (begin < ends)).any() for begin, end in others)


def design_of(task: str, fold: Recording) -> Design:
    return IND_TINY if task == "cues" else design_for(fold)


@every_protocol
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from((None, 0, 1, 3)))
def test_no_test_window_of_the_ind_meets_what_training_and_validation_saw(task, protocol, seed, spread):
    for fold in placed_folds(protocol, task, seed):
        windows = IndWindows(fold, design_of(task, fold), spread)
        for part in ("train", "validation", "both"):
            assert apart(windows.spans(part, history=False), windows.spans("test", history=True))
            assert apart(windows.spans(part, history=True), windows.spans("test", history=False))
        assert apart(windows.spans("train", history=True), windows.spans("validation", history=False))
        assert apart(windows.spans("train", history=False), windows.spans("validation", history=True))


@every_protocol
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_test_window_of_a_baseline_meets_one_of_training(task, protocol, seed):
    for fold in placed_folds(protocol, task, seed):
        kept = training_sessions(fold)
        others = [i for i in range(len(fold.sessions)) if i not in kept]
        learnt, asked = (
            spans(fold, np.array(sessions)[each.stream], each.end - each.length, each.end)
            for sessions, each in zip((kept, others), windows_of(fold), strict=True)
        )
        assert apart(learnt, asked)


def with_other_test(fold: Recording, seed: int = 0) -> Recording:
    """Other samples, classes and targets in the test sessions."""
    rng = np.random.default_rng(seed)

    def changed(each: Session) -> Session:
        shape = each.samples.shape
        samples = (rng.poisson(900, shape) if fold.kind == "counts" else rng.normal(50, 300, shape)).astype(np.float32)
        targets = None if each.targets is None else rng.normal(9, 9, each.targets.shape).astype(np.float32)
        return replace(each, samples=samples, label=(each.label + 1) % max(1, len(fold.label_names)), targets=targets)

    sessions = [changed(each) if each.name in fold.test_sessions else each for each in fold.sessions]
    return replace(fold, sessions=tuple(sessions))


@every_protocol
@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_converter_and_preprocessing_know_the_training_part_alone(task, protocol, seed):
    for fold in folds_under(protocol, subjects_of(task, seed, 0.8)):
        design, train = design_of(task, fold), training_sessions(fold)
        if not design.tokenizer.ready:
            design = replace(design, tokenizer=replace(design.tokenizer, preprocess=PreprocessSpec(5, 320)))
        first, second = (decoding_set(each, design) for each in (fold, with_other_test(fold, seed)))
        assert first.lsb_uv == second.lsb_uv
        assert all(np.array_equal(first.streams[i], second.streams[i]) for i in train)
        assert np.array_equal(first.preprocess_shift, second.preprocess_shift)
        assert np.array_equal(first.preprocess_dead, second.preprocess_dead)


CLASSIFY, REGRESS = ("csp", "tangent_space", "ind"), ("ridge", "ind")
FITTED = [(task, protocol, name) for task, protocol in EVERY for name in (CLASSIFY if task == "cues" else REGRESS)]
OTHERS = {
    "cues": [name for name in NAMES if name not in (*CLASSIFY, "ridge", "kalman", "gru")],
    "values of counts": ["kalman", "gru", "ind_int8"],
    "values of features": ["kalman", "gru", "ind_int4"],
}
"""Models that are tried under one protocol: a fold says nothing of the protocol that made it."""
FITTED += [(task, "within-session", name) for task, names in OTHERS.items() for name in names]


@pytest.mark.parametrize(("task", "protocol", "name"), FITTED)
def test_whatever_is_fitted_knows_the_training_part_alone(task, protocol, name, monkeypatch):
    """Weights, spatial filter, standardisation of tokens and of targets, learned wavelets, shifts and ranges of integers."""
    few_steps(monkeypatch)
    fold = folds_under(protocol, subjects_of(task, 5, 2.0))[0]
    first, second = (fitted(name, each).arrays for each in (fold, with_other_test(fold)))
    assert first.keys() == second.keys() and all(np.isfinite(value).all() for value in first.values())
    assert [key for key in first if not np.array_equal(first[key], second[key])] == []


def test_every_protocol_and_every_model_is_tried():
    assert {read_protocol(protocol).name for _, protocol in EVERY} == set(PROTOCOLS)
    assert {name for _, _, name in FITTED} == set(NAMES)
