"""What a baseline refuses, and that it decides as the library it was fitted by; test_battery.py has what every model can do."""

import re
from dataclasses import replace

import numpy as np
import pytest
from fitted_models import few_steps
from made_recordings import twenty_moments, twenty_trials

from models.baselines import audio_placeholder
from models.baselines.bands import band_passed, decide, fit_discriminant
from models.baselines.csp import BAND, CommonSpatialPatterns
from models.baselines.model import BaselineError
from models.baselines.registry import BASELINES, CLASSICAL, NETWORKS, REGRESSIONS
from models.recording import Recording, RecordingError, Session
from models.trials import Windows, windows_of

CLASSIFIERS = sorted(model.name for model in (*CLASSICAL, *NETWORKS))
REGRESSORS = sorted(model.name for model in REGRESSIONS)
CHANNELS = 4


def refused(message: str):
    return pytest.raises(BaselineError, match=f"^{re.escape(message)}")


def trials(seed: int = 0) -> Windows:
    return windows_of(twenty_trials(2, seed=seed))[0]


def courses() -> Windows:
    return windows_of(twenty_moments())[0]


def windows_for(name: str) -> Windows:
    return trials() if name in CLASSIFIERS else courses()


def fitted(name: str, windows: Windows, seed: int = 0):
    model = BASELINES[name]()
    model.fit(windows, seed)
    return model


@pytest.fixture
def briefly(monkeypatch):
    few_steps(monkeypatch)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_a_decision_looks_at_its_own_window_alone(name, briefly):
    if name == "kalman":
        pytest.skip("a Kalman filter runs over the whole stream by definition")
    windows = windows_for(name)
    model = fitted(name, windows)
    half = windows.take(np.arange(0, 20, 2))
    every, some = model.predict(windows)[::2], model.predict(half)
    assert np.array_equal(every, some) if name in CLASSIFIERS else np.allclose(every, some, atol=1e-4)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_the_wrong_kind_of_recording_is_one_line(name):
    other, has = (courses(), "targets") if name in CLASSIFIERS else (trials(), "classes")
    learns = "classes" if name in CLASSIFIERS else "targets"
    with refused(f"{name} learns {learns}, but the recording has {has}; leave it out"):
        BASELINES[name]().fit(other, 0)


@pytest.mark.parametrize("name", ["ridge", "gru"])
def test_voltages_are_regressed_by_their_band_powers(name):
    rng = np.random.default_rng(0)
    course = np.sin(np.arange(6000) / 300).astype(np.float32)
    signal = (rng.normal(size=(6000, 3)) * (1.5 + course[:, None])).astype(np.float32)
    ends = np.arange(1000, 6001, 50)
    zeros, targets = np.zeros_like(ends), course[ends - 1, None]
    windows = Windows((signal,), zeros, ends, 1000, 1000.0, "voltage", targets=targets)
    found = fitted(name, windows).predict(windows)
    assert np.corrcoef(found[:, 0], targets[:, 0])[0, 1] > 0.8
    with refused("kalman takes counts or features, but the recording has voltages; leave it out"):
        fitted("kalman", windows)


@pytest.mark.parametrize("name", ["eegnet", "shallow_fbcsp_net", "eeg_conformer"])
def test_a_window_too_short_for_a_network_is_one_line(name):
    short = replace(trials(), length=20)
    with refused(f"{name} cannot be built for windows of 0.15625 s (") as found:
        BASELINES[name]().fit(short, 0)
    assert "\n" not in str(found.value) and str(found.value).endswith("; use longer windows or leave it out")


def test_a_rate_below_the_bands_is_one_line():
    with refused("windows at 10 Hz hold nothing of 8 to 30 Hz; record faster"):
        BASELINES["csp"]().fit(replace(trials(), sample_hz=10.0), 0)


def test_a_file_of_another_model_or_none_is_one_line(tmp_path):
    fitted("csp", trials()).save(tmp_path / "a.safetensors")
    with refused("a.safetensors: holds csp, not tangent_space; give its file"):
        BASELINES["tangent_space"]().load(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"nothing")
    with refused("b.safetensors: not a readable csp ("):
        BASELINES["csp"]().load(tmp_path / "b.safetensors")


def test_what_the_arrays_decide_is_what_the_libraries_pipeline_decides():
    from mne.decoding import CSP
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline

    train, test = trials(seed=1), trials(seed=2)
    csp = CSP(n_components=CHANNELS, reg="ledoit_wolf", log=True)
    pipeline = make_pipeline(csp, LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
    pipeline.fit(band_passed(train, BAND), train.label)
    model = CommonSpatialPatterns()
    model.fit(train, 0)
    assert np.array_equal(model.predict(test), pipeline.predict(band_passed(test, BAND)))


@pytest.mark.parametrize("classes", [2, 4])
def test_a_discriminant_decides_as_scikit_learn_does(classes):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rng = np.random.default_rng(0)
    features, label = rng.normal(size=(60, 5)), np.arange(60) % classes
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(features, label)
    assert np.array_equal(decide(features, fit_discriminant(features, label)), model.predict(features))


def test_the_placeholder_says_that_torchaudio_is_missing():
    audio = audio_placeholder._Placeholder("torchaudio.functional")
    with pytest.raises(ImportError, match=r"^torchaudio.functional.lfilter is a placeholder: torchaudio does not load here"):
        audio.lfilter(1)


def recording(samples: np.ndarray) -> Recording:
    none = np.zeros(0, np.int64)
    course = np.zeros((len(samples), 1), np.float32)
    sessions = tuple(Session(name, samples, none, none, targets=course) for name in ("a", "b"))
    electrodes = tuple("ABC"[: samples.shape[1]])
    return Recording("noise", "counts", 20.0, electrodes, (), sessions, 0.0, test_sessions=("b",))


def test_windows_of_broken_samples_are_refused():
    samples = np.ones((50, 2), np.float32)
    samples[3, 1] = np.nan
    with pytest.raises(RecordingError, match=r"^noise: session a has NaN or infinite samples; repair or drop them$"):
        windows_of(recording(samples))
    with pytest.raises(RecordingError, match=r"^noise: no training window fits its sessions; record longer, with more cues$"):
        windows_of(recording(np.ones((10, 2), np.float32)))
