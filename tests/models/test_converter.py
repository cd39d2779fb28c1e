"""Microvolt to codes: half up, saturating, one step for the whole recording."""

from dataclasses import replace

import numpy as np
import pytest

from designs.ind_tiny import IND_TINY
from designs.number_format import INT12
from models.converter import Converter, calibrate
from models.recording import RecordingError
from models.windows import decoding_set


def test_codes_round_half_up_and_saturate():
    converter = Converter(np.array([10.0]), 2.0, INT12)
    microvolt = np.array([[10.0], [10.0], [11.0], [9.0], [8.9], [10.9], [1e6], [-1e6]], np.float32)
    assert converter.codes(microvolt).ravel().tolist() == [0, 0, 1, 0, -1, 0, 2047, -2048]


def test_codes_look_at_no_later_sample_and_are_0_until_their_channel_changes():
    samples = np.random.default_rng(0).normal(0, 50, (40, 3)).astype(np.float32)
    samples[:12, 1] = 70
    samples[:, 2] = -90
    converter = Converter(np.zeros(3), 2.0, INT12)
    codes = converter.codes(samples)
    assert (codes[:12, 1] == 0).all() and codes[12:, 1].any() and (codes[:, 2] == 0).all() and codes[1:, 0].any()
    for until in (1, 2, 12, 13, 25):
        assert np.array_equal(converter.codes(samples[:until]), codes[:until])


def test_all_but_a_thousandth_of_the_training_samples_stay_below_half_scale(recording):
    converter = calibrate(recording, [0, 1], INT12)
    codes = np.concatenate([converter.codes(recording.sessions[i].samples) for i in (0, 1)])
    assert codes.dtype == np.int16
    assert 0.998 < (np.abs(codes) <= 1024).mean() < 0.9995


def test_a_silent_recording_is_refused(recording, with_samples):
    silent = with_samples(np.zeros_like(recording.sessions[0].samples))
    with pytest.raises(RecordingError, match=r"^noise: its training sessions hold no signal at all; check the recording$"):
        calibrate(silent, [0], INT12)


@pytest.mark.filterwarnings("ignore:.*is constant")
@pytest.mark.parametrize("level", [0.0, -3000.0])
@pytest.mark.parametrize("dead", [0, 2])
def test_a_channel_that_is_dead_in_one_session_gives_codes_of_zero_there_and_changes_no_other(recording, dead, level):
    offset = np.array([0, 5000, 0, 0], np.float32)
    alive = replace(recording, sessions=tuple(replace(each, samples=each.samples + offset) for each in recording.sessions))
    samples = alive.sessions[dead].samples.copy()
    samples[:, 1] = level
    sessions = tuple(replace(each, samples=samples) if i == dead else each for i, each in enumerate(alive.sessions))
    before, after = decoding_set(alive, IND_TINY), decoding_set(replace(alive, sessions=sessions), IND_TINY)
    assert (after.streams[dead][:, 1] == 0).all()
    for stream, (was, found) in enumerate(zip(before.streams, after.streams, strict=True)):
        others = [0, 2, 3] if stream == dead else [0, 1, 2, 3]
        assert np.abs(was[:, others].astype(int) - found[:, others]).max() <= 0.01 * np.abs(was.astype(int)).max()
    assert after.lsb_uv == pytest.approx(before.lsb_uv, rel=0.01)


@pytest.mark.filterwarnings("ignore:.*is constant")
def test_a_channel_that_is_dead_in_training_alone_counts_from_zero_in_the_test(recording):
    sessions = tuple(replace(each, samples=each.samples.copy()) for each in recording.sessions)
    for each in sessions[:2]:
        each.samples[:, 1] = 7
    found = decoding_set(replace(recording, sessions=sessions), IND_TINY)
    assert (found.streams[0][:, 1] == 0).all()
    assert abs(np.median(found.streams[2][:, 1])) < 20
