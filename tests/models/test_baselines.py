"""One battery over every baseline: shapes, determinism, 20 windows learnt by heart, saved and loaded without a pickle."""

import re
from dataclasses import replace

import numpy as np
import pytest

from models.baselines import audio_placeholder, network_training
from models.baselines.bands import band_passed, decide, fit_discriminant
from models.baselines.csp import BAND, CommonSpatialPatterns
from models.baselines.eeg_conformer import EegConformer
from models.baselines.eeg_network import EegNetwork
from models.baselines.model import BaselineError
from models.baselines.network_training import Training
from models.baselines.registry import BASELINES, CLASSICAL, NETWORKS, REGRESSIONS
from models.recording import Recording, RecordingError, Session
from models.trials import Windows, windows_of

CLASSIFIERS = sorted(model.name for model in (*CLASSICAL, *NETWORKS))
REGRESSORS = sorted(model.name for model in REGRESSIONS)
RATE, CHANNELS, LENGTH = 128.0, 4, 512


def refused(message: str):
    return pytest.raises(BaselineError, match=f"^{re.escape(message)}")


def trials(classes: int = 2, count: int = 20, seed: int = 0) -> Windows:
    """Noise in which class k makes channel k stronger between 8 and 30 Hz."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % classes
    time_s = np.arange(LENGTH) / RATE
    streams = []
    for each in label:
        signal = rng.normal(0, 5, (LENGTH, CHANNELS))
        for hz in (10.0, 13.0, 21.0):
            signal[:, each] += 12 * np.sin(2 * np.pi * hz * time_s + rng.uniform(0, 6))
        streams.append(signal.astype(np.float32))
    number = np.arange(count)
    return Windows(tuple(streams), number, np.full(count, LENGTH), LENGTH, RATE, "voltage", label, classes=classes)


def courses(kind: str = "counts", rows: int = 39, seed: int = 0, channels: int = 24) -> Windows:
    """20 windows of 20 rows each, whose targets are a smooth course that the channels follow."""
    rng = np.random.default_rng(seed)
    time = np.arange(rows)
    course = np.stack([np.sin(time / 3), np.cos(time / 4)], axis=1).astype(np.float32)
    rate = 3 + course @ rng.normal(size=(2, channels))
    signal = (rng.poisson(np.clip(rate, 0.1, None) * 4) if kind == "counts" else rate).astype(np.float32)
    ends = np.arange(20, rows + 1)
    return Windows((signal,), np.zeros_like(ends), ends, 20, 20.0, kind, targets=course[ends - 1])


def windows_for(name: str) -> Windows:
    return trials() if name in CLASSIFIERS else courses()


def fitted(name: str, windows: Windows, seed: int = 0):
    model = BASELINES[name]()
    model.fit(windows, seed)
    return model


@pytest.fixture
def briefly(monkeypatch):
    """Networks take a few steps alone, where it does not matter how well they learn."""
    monkeypatch.setattr(network_training, "LEAST_STEPS", 1)
    monkeypatch.setattr(EegNetwork, "training", Training(epochs=3, learning_rate=1e-3))
    monkeypatch.setattr(EegConformer, "training", Training(epochs=3, learning_rate=1e-3))


def test_the_battery_covers_every_baseline():
    assert sorted(BASELINES) == sorted([*CLASSIFIERS, *REGRESSORS])


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("classes", [2, 3])
def test_twenty_trials_are_learnt_by_heart(name, classes):
    windows = trials(classes)
    decided = fitted(name, windows).predict(windows)
    assert (decided.shape, decided.dtype) == ((20,), np.int64)
    assert (decided == windows.label).mean() >= 0.95


@pytest.mark.parametrize("name", REGRESSORS)
def test_twenty_moments_are_learnt_by_heart(name):
    windows = courses()
    found = fitted(name, windows).predict(windows)
    assert (found.shape, found.dtype) == ((20, 2), np.float32)
    error = ((found - windows.targets) ** 2).sum() / ((windows.targets - windows.targets.mean(axis=0)) ** 2).sum()
    assert error < (0.5 if name in ("kalman", "gru") else 0.1)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_the_same_seed_gives_the_same_model(name, briefly):
    windows = windows_for(name)
    first, second = fitted(name, windows, seed=3), fitted(name, windows, seed=3)
    assert first.arrays.keys() == second.arrays.keys()
    assert all(np.array_equal(first.arrays[key], second.arrays[key]) for key in first.arrays)
    assert np.array_equal(first.predict(windows), second.predict(windows))


@pytest.mark.parametrize("name", ["eegnet", "gru"])
def test_another_seed_gives_another_network(name, briefly):
    windows = windows_for(name)
    first, second = fitted(name, windows, seed=3), fitted(name, windows, seed=4)
    assert any(not np.array_equal(first.arrays[key], second.arrays[key]) for key in first.arrays)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_a_saved_model_decides_the_same_and_costs_the_same(name, tmp_path, briefly):
    windows = windows_for(name)
    model, again = fitted(name, windows), BASELINES[name]()
    model.save(tmp_path / "model.safetensors")
    again.load(tmp_path / "model.safetensors")
    assert np.array_equal(model.predict(windows), again.predict(windows))
    assert (again.parameters, again.macs(windows)) == (model.parameters, model.macs(windows))
    assert model.parameters > 0 and model.macs(windows) > 0


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
