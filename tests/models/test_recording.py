"""What a recording is refused for, in which words; and what a design takes from it."""

import re
from dataclasses import replace

import numpy as np
import pytest

from designs.eeg_int4 import EEG_INT4
from designs.ind_tiny import IND_TINY
from models.recording import RecordingError, RecordingWarning, fit_to_design


def refused(message: str):
    return pytest.raises(RecordingError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_name_their_channels(recording, with_samples, value):
    samples = recording.sessions[0].samples.copy()
    samples[7, 1], samples[9, 3] = value, value
    with refused("noise: session day1 has NaN or infinite samples in channel B, D; repair or drop them in the file"):
        fit_to_design(with_samples(samples), IND_TINY)


def test_a_constant_channel_is_named(recording, with_samples):
    samples = recording.sessions[0].samples.copy()
    samples[:, 2] = 17
    with pytest.warns(RecordingWarning, match="^noise: session day1: channel C is constant and counts as zero; check the"):
        fit_to_design(with_samples(samples), IND_TINY)


def test_electrodes_that_the_design_does_not_take_may_be_broken(recording, with_samples, recwarn):
    samples = recording.sessions[0].samples.copy()
    samples[7, 0], samples[:, 2] = np.nan, 17
    spec = replace(IND_TINY.tokenizer, channels=2, electrodes=("D", "B"))
    fitted = fit_to_design(with_samples(samples), replace(IND_TINY, tokenizer=spec))
    assert np.array_equal(fitted.sessions[0].samples, samples[:, [3, 1]])
    assert not recwarn.list


def test_a_long_list_of_channels_is_cut(recording):
    names = tuple(f"E{i}" for i in range(9))
    wide = tuple(replace(session, samples=np.full((24_000, 9), np.nan)) for session in recording.sessions)
    spec = replace(IND_TINY.tokenizer, channels=9, electrodes=names)
    with pytest.raises(RecordingError, match=r"in channel E0, E1, E2, E3, E4, E5 and 3 more; repair"):
        fit_to_design(replace(recording, electrodes=names, sessions=wide), replace(IND_TINY, tokenizer=spec))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "song"}, "noise: kind 'song' is unknown; use one of voltage, features, counts"),
        ({"sample_hz": 0.0}, "noise: sample_hz=0.0 is not positive; correct the file"),
        ({"decide_s": np.nan}, "noise: decide_s=nan is not a positive number of seconds; correct it"),
        ({"decide_s": np.inf}, "noise: decide_s=inf is not a positive number of seconds; correct it"),
        ({"decide_s": -0.8}, "noise: decide_s=-0.8 is not a positive number of seconds; correct it"),
        ({"decide_s": 0.0}, "noise: decide_s=0.0 is not a positive number of seconds; correct it"),
        ({"decide_s": 41.0}, "noise: decide_s=41 is longer than every session, the longest has 40 s; correct it"),
        ({"sessions": ()}, "noise: holds no session; give it at least one"),
        ({"test_sessions": ("day9",)}, "noise: test session day9 is not among its sessions day1, day2, day3"),
        ({"electrodes": ("A", "B", "C", "C")}, "noise: two electrodes have the same name; rename one"),
        (
            {"electrodes": ("A", "B", "C")},
            "noise: session day1 has shape [24000, 4] where [samples, 3 channels] is needed",
        ),
        ({"label_names": ("one",)}, "noise: session day1 has labels outside 0 to 0; correct them"),
    ],
)
def test_what_does_not_fit_together_is_refused(recording, changes, message):
    with refused(message):
        replace(recording, **changes)


def test_two_sessions_of_one_name_are_refused(recording):
    with refused("noise: two sessions have the same name; rename one"):
        replace(recording, sessions=(recording.sessions[0], recording.sessions[0]), test_sessions=())


def test_cues_outside_the_signal_are_refused(recording):
    session = recording.sessions[0]
    late = replace(session, onset=np.append(session.onset[:-1], 24_000))
    with refused("noise: session day1 has 1 cues outside its 24000 samples; correct them"):
        replace(recording, sessions=(late,), test_sessions=())


def test_cues_without_labels_are_refused(recording):
    session = recording.sessions[0]
    with refused("noise: session day1 has 20 cues but 19 labels"):
        replace(recording, sessions=(replace(session, label=session.label[1:]),), test_sessions=())


def test_a_recording_that_fits_is_taken_as_it_is(recording):
    assert fit_to_design(recording, IND_TINY) is recording


def test_fewer_channels_than_the_design_are_refused(recording):
    sessions = tuple(replace(session, samples=session.samples[:, :3]) for session in recording.sessions)
    few = replace(recording, electrodes=("A", "B", "C"), sessions=sessions)
    with refused(
        "noise: has 3 channels, but ind_tiny takes 4; use a recording with more channels, or a design with channels=3"
    ):
        fit_to_design(few, IND_TINY)


def test_another_sampling_rate_is_refused(recording):
    with refused("noise: sampled at 250 Hz, but ind_tiny takes 600 Hz; resample it, or use a design with sample_hz=250"):
        fit_to_design(replace(recording, sample_hz=250.0), IND_TINY)


def test_another_number_of_classes_is_refused(recording):
    sessions = tuple(replace(session, label=session.label % 2) for session in recording.sessions)
    with refused("noise: has 2 classes (left, right), but ind_tiny has outputs=4; choose another --task or design"):
        fit_to_design(replace(recording, sessions=sessions, label_names=("left", "right")), IND_TINY)


def test_a_recording_without_cues_is_refused(recording):
    none = np.zeros(0, np.int64)
    sessions = tuple(replace(session, onset=none, label=none) for session in recording.sessions)
    with refused("noise: has no labelled cues, nothing to train on; use a recording with cues of 4 classes"):
        fit_to_design(replace(recording, sessions=sessions), IND_TINY)


@pytest.mark.parametrize("kind", ["features", "counts"])
def test_what_is_no_voltage_is_refused(recording, kind):
    with refused(f"noise: holds {kind}, but ind_tiny starts from voltages; use a recording of at least 4 channels at 600 Hz"):
        fit_to_design(replace(recording, kind=kind), IND_TINY)


def test_electrodes_are_taken_by_name_in_the_order_of_the_design(recording):
    spec = replace(IND_TINY.tokenizer, channels=2, electrodes=("d", "B"))
    fitted = fit_to_design(recording, replace(IND_TINY, tokenizer=spec))
    assert fitted.electrodes == ("D", "B")
    assert np.array_equal(fitted.sessions[1].samples, recording.sessions[1].samples[:, [3, 1]])


def test_missing_electrodes_are_named(recording):
    wide = tuple(replace(session, samples=np.tile(session.samples, 8)) for session in recording.sessions)
    wide = tuple(replace(session, label=session.label % 2) for session in wide)
    names = (*EEG_INT4.tokenizer.electrodes[2:], "X1", "X2")
    other = replace(recording, sessions=wide, electrodes=names, sample_hz=160.0, label_names=("a", "b"))
    with refused(
        "noise: has no electrode FC5, FC3, which eeg_int4 takes; rename the channels of the recording "
        "or TokenizerSpec.electrodes"
    ):
        fit_to_design(other, EEG_INT4)
