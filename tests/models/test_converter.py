"""Microvolt to codes: half up, saturating, one step for the whole recording."""

import numpy as np
import pytest

from designs.number_format import INT12
from models.converter import Converter, calibrate
from models.recording import RecordingError, RecordingWarning


def test_codes_round_half_up_and_saturate():
    converter = Converter(np.array([10.0]), 2.0, INT12)
    microvolt = np.array([[10.0], [11.0], [9.0], [8.9], [10.9], [1e6], [-1e6]], np.float32)
    assert converter.codes(microvolt).ravel().tolist() == [0, 1, 0, -1, 0, 2047, -2048]


def test_all_but_a_thousandth_of_the_training_samples_stay_below_half_scale(recording):
    converter = calibrate(recording, [0, 1], INT12)
    codes = np.concatenate([converter.codes(recording.sessions[i].samples) for i in (0, 1)])
    assert codes.dtype == np.int16
    assert 0.998 < (np.abs(codes) <= 1024).mean() < 0.9995


def test_a_silent_recording_is_refused(recording, with_samples):
    with pytest.warns(RecordingWarning, match="channel A, B, C, D is constant"):
        silent = with_samples(np.zeros_like(recording.sessions[0].samples))
    with pytest.raises(RecordingError, match=r"^noise: its training sessions hold no signal at all; check the recording$"):
        calibrate(silent, [0], INT12)
