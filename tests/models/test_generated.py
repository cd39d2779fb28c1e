"""The default recording: the same seed gives the same signal, another seed another one, and every design can be fed."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from designs.catalogue import CATALOGUE
from designs.ind_tiny import IND_TINY
from designs.spikes_int4 import SPIKES_INT4
from models.datasets.catalogue import recording_for
from models.datasets.generated import generate, scene_of
from models.datasets.generated_counts import generate_counts
from models.recording import RecordingError
from models.windows import decoding_set


def test_a_seed_fixes_every_sample_and_label():
    first, again, other = generate(IND_TINY, 3), generate(IND_TINY, 3), generate(IND_TINY, 4)
    for a, b in zip(first.sessions, again.sessions, strict=True):
        assert np.array_equal(a.samples, b.samples)
        assert np.array_equal(a.onset, b.onset)
        assert np.array_equal(a.label, b.label)
    assert not np.array_equal(first.sessions[0].label, other.sessions[0].label)


def test_sessions_differ():
    first, second, *_ = generate(IND_TINY, 0).sessions
    assert not np.array_equal(first.samples[:1000], second.samples[:1000])


def test_the_test_set_has_at_least_200_windows_and_balanced_classes():
    found = decoding_set(generate(IND_TINY), IND_TINY)
    label = found.window_label[found.windows_of("test")]
    assert len(label) >= 200
    assert np.bincount(label).tolist() == [60, 60, 60, 60]


def test_high_gamma_grows_at_the_electrode_of_the_class_during_its_movement():
    recording = generate(IND_TINY)
    scene = scene_of(IND_TINY)
    centres = scene.centres(np.random.default_rng([0, 0]))
    session = recording.sessions[0]
    spectrum = np.fft.rfft(session.samples, axis=0)
    hz = np.fft.rfftfreq(len(session.samples), 1 / 600)
    spectrum[(hz < 72) | (hz > 144)] = 0
    power = np.fft.irfft(spectrum, len(session.samples), axis=0) ** 2
    for movement, centre in enumerate(centres):
        electrode = int(np.linalg.norm(scene.positions - centre, axis=1).argmin())
        cues = session.onset[session.label == movement]
        during = np.mean([power[cue + 210 : cue + 390, electrode].mean() for cue in cues])
        before = np.mean([power[cue - 300 : cue, electrode].mean() for cue in cues])
        assert during > 1.5 * before


@pytest.mark.parametrize("name", sorted(name for name, design in CATALOGUE.items() if design.tokenizer.signal == "voltage"))
def test_every_design_has_a_scene_of_its_own_size(name):
    design = CATALOGUE[name]
    scene = scene_of(design)
    assert scene.positions.shape == (design.tokenizer.channels, 2)
    centres = scene.centres(np.random.default_rng(0))
    assert len({tuple(centre) for centre in centres}) == design.model.outputs


def test_a_seed_fixes_every_count_and_target():
    first, again, other = (generate_counts(SPIKES_INT4, seed).sessions[1] for seed in (3, 3, 4))
    assert np.array_equal(first.samples, again.samples) and np.array_equal(first.targets, again.targets)
    assert not np.array_equal(first.samples, other.samples) and not np.array_equal(first.targets, other.targets)


def test_counts_are_whole_sparse_and_tell_of_the_movement():
    session = generate_counts(SPIKES_INT4).sessions[0]
    assert session.samples.shape == (6000, 96) and session.targets.shape == (6000, 2)
    assert (session.samples == np.round(session.samples)).all() and 0.05 < session.samples.mean() < 1
    early, late = np.arange(6000) < 4500, np.arange(6000) >= 4500
    ridge = Ridge(100.0).fit(session.samples[early], session.targets[early])
    assert 0.3 < ridge.score(session.samples[late], session.targets[late]) < 0.95


def test_units_keep_their_tuning_over_sessions_and_change_their_rates():
    first, *_, last = generate_counts(SPIKES_INT4).sessions
    assert np.corrcoef(first.samples.mean(axis=0), last.samples.mean(axis=0))[0, 1] > 0.9
    assert not np.allclose(first.samples.mean(axis=0), last.samples.mean(axis=0), rtol=0.02)
    ridge = Ridge(100.0).fit(first.samples, first.targets)
    assert ridge.score(last.samples, last.targets) > 0.3


def test_no_recording_is_made_up_for_what_has_no_generator():
    design = replace(IND_TINY, model=replace(IND_TINY.model, task="regression"))
    with pytest.raises(RecordingError, match="no recording is generated for regression from voltage; give one with --record"):
        recording_for(design, None, None, 0)
