"""Nothing of a test or validation window reaches training: not its samples, not its statistics."""

from dataclasses import replace

import numpy as np
import pytest

from designs.ind_tiny import IND_TINY
from models.converter import calibrate
from models.recording import RecordingError
from models.splits import training_sessions, with_test_sessions
from models.trials import windows_of
from models.windows import decoding_set, end_tokens, history_tokens


def extents(found, part, before_tokens=0):
    """(stream, first sample, sample after the last) of every window of a part."""
    size, chosen = IND_TINY.tokenizer.token_samples, found.windows_of(part)
    end = (found.window_token[chosen] + 1) * size
    return list(zip(found.window_stream[chosen], end - (IND_TINY.model.tokens + before_tokens) * size, end, strict=True))


def overlapping(some, others):
    return [(a, b) for a in some for b in others if a[0] == b[0] and a[1] < b[2] and b[1] < a[2]]


@pytest.mark.parametrize(("part", "other"), [("train", "validation"), ("train", "test"), ("validation", "test")])
def test_no_sample_lies_in_windows_of_two_parts(recording, part, other):
    found = decoding_set(recording, IND_TINY)
    history = history_tokens(IND_TINY)
    assert overlapping(extents(found, part), extents(found, other, before_tokens=history)) == []
    assert overlapping(extents(found, part, before_tokens=history), extents(found, other)) == []


def test_a_whole_window_lies_between_training_and_validation(recording):
    found = decoding_set(recording, IND_TINY)
    for stream in (0, 1):
        last = max(w[2] for w in extents(found, "train") if w[0] == stream)
        first = min(w[1] for w in extents(found, "validation") if w[0] == stream)
        assert first - last >= IND_TINY.model.tokens * IND_TINY.tokenizer.token_samples


def test_the_test_session_gives_test_windows_alone(recording):
    found = decoding_set(recording, IND_TINY)
    assert found.test_streams() == [2]
    assert set(found.window_part[found.window_stream == 2]) == {2}
    assert len(found.windows_of("test")) == 20


def test_a_test_cue_has_one_window_placed_by_its_time_alone(recording):
    found = decoding_set(recording, IND_TINY)
    session = recording.sessions[2]
    boundary = (found.window_token[found.windows_of("test")] + 1) * IND_TINY.tokenizer.token_samples
    assert np.abs(boundary - (session.onset + recording.decide_s * 600)).max() <= IND_TINY.tokenizer.token_samples / 2
    relabelled = replace(session, label=(session.label + 1) % 4)
    other = decoding_set(replace(recording, sessions=(*recording.sessions[:2], relabelled)), IND_TINY)
    assert np.array_equal(other.window_token, found.window_token)


def test_window_ends_round_to_the_nearest_token():
    size = IND_TINY.tokenizer.token_samples
    onset = np.array([0, size // 2 - 1, size // 2, size])
    assert end_tokens(onset, 0.0, IND_TINY).tolist() == [-1, -1, 0, 0]


def test_the_converter_looks_at_training_sessions_alone(recording):
    loud = replace(recording.sessions[2], samples=recording.sessions[2].samples * 50 + 300)
    changed = replace(recording, sessions=(*recording.sessions[:2], loud))
    quiet, train = calibrate(recording, [0, 1], IND_TINY.tokenizer.sample), training_sessions(changed)
    assert train == [0, 1]
    found = calibrate(changed, train, IND_TINY.tokenizer.sample)
    assert found.lsb_uv == quiet.lsb_uv
    assert np.array_equal(found.offset_uv, quiet.offset_uv)


def test_the_last_session_tests_when_none_is_named(recording):
    assert with_test_sessions(replace(recording, test_sessions=())).test_sessions == ("day3",)


def test_the_last_quarter_of_an_only_session_tests(recording):
    only = with_test_sessions(replace(recording, sessions=recording.sessions[:1], test_sessions=()))
    early, late = only.sessions
    assert only.test_sessions == ("day1 late",)
    assert (len(early.onset), len(late.onset)) == (15, 5)
    whole = recording.sessions[0]
    assert np.array_equal(np.concatenate([early.samples, late.samples]), whole.samples)
    assert np.array_equal(np.append(early.onset, late.onset + len(early.samples)), whole.onset)


def test_sessions_that_all_test_are_refused(recording):
    with pytest.raises(RecordingError, match=r"^noise: every session is a test session; leave at least one for training$"):
        decoding_set(replace(recording, test_sessions=("day1", "day2", "day3")), IND_TINY)


def test_too_few_cues_are_refused(recording):
    session = replace(recording.sessions[0], onset=np.array([500]), label=np.array([0]))
    with pytest.raises(RecordingError, match=r"^noise: 1 labelled cues cannot be split into training and test; record more$"):
        decoding_set(replace(recording, sessions=(session,), test_sessions=()), IND_TINY)


def test_cues_of_one_class_alone_are_refused(recording):
    sessions = tuple(replace(session, label=session.label * 0) for session in recording.sessions)
    with pytest.raises(RecordingError, match=r"^noise: its cues are of one class, left; a decoder needs two to tell apart$"):
        windows_of(replace(recording, label_names=("left",), sessions=sessions))


def test_a_class_without_training_window_is_named(recording):
    sessions = [replace(session, label=session.label % 3) for session in recording.sessions[:2]]
    with pytest.raises(RecordingError, match=r"^noise: no training window of class four; use a recording with more cues$"):
        decoding_set(replace(recording, sessions=(*sessions, recording.sessions[2])), IND_TINY)


def test_a_signal_too_short_for_a_window_is_refused(recording):
    short = replace(
        recording.sessions[2], samples=recording.sessions[2].samples[:300], onset=np.array([5]), label=np.array([0])
    )
    with pytest.raises(
        RecordingError, match=r"^noise: no test window of 0.64 s fits its sessions; record longer, with more cues$"
    ):
        decoding_set(replace(recording, sessions=(*recording.sessions[:2], short)), IND_TINY)
