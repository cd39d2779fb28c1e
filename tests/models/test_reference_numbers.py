"""Baselines on the recordings of the folder RECORDINGS, against the numbers that were published with them.

What is compared is a floor: the same libraries on the same split reached it before.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from models.benchmark import compute, plan

FOLDER = os.environ.get("RECORDINGS")
pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(not FOLDER, reason="RECORDINGS names no folder of recordings: reference numbers are not checked"),
]


@pytest.mark.parametrize(
    ("place", "model", "least"),
    [
        ("eeg_bci4_2b/dev_subjects1-6.npz#all", "log_band_power", 0.71),
        ("eeg_physionet_s001/S001_continuous.npz#left_right", "csp", 0.73),
        ("eeg_physionet_s001/S001_continuous.npz#fists_feet", "csp", 0.93),
        ("eeg_physionet_s001/S001_continuous.npz#rest_move", "log_band_power", 0.68),
        ("spikes_stevenson2011_m1/StevensonV2.npz#velocity", "ridge", 0.76),
        ("ecog_bci4_4_features/sub1.npz", "ridge", 0.36),
        ("ecog_bci4_4_features/sub2.npz", "ridge", 0.28),
    ],
)
def test_a_baseline_reaches_what_was_published_with_the_recording(place, model, least):
    cells = plan([str(Path(FOLDER or "") / place)], [model], "given", 1)
    assert np.mean([compute(cell).value for cell in cells]) >= least
