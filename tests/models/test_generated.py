"""The default recording: the same seed gives the same signal, another seed another one, and every design can be fed."""

import numpy as np
import pytest

from designs.catalogue import CATALOGUE
from designs.ind_tiny import IND_TINY
from models.datasets.generated import generate, scene_of
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


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_design_has_a_scene_of_its_own_size(name):
    design = CATALOGUE[name]
    scene = scene_of(design)
    assert scene.positions.shape == (design.tokenizer.channels, 2)
    centres = scene.centres(np.random.default_rng(0))
    assert len({tuple(centre) for centre in centres}) == design.model.outputs
