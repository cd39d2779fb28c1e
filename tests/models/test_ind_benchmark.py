"""The IND that a recording gets: its design follows from channels, rate and task; classes and values, float and integer."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_recordings import counts, rhythms

import models.recipes
from designs.layer_table import parameters
from models.augment import Augmentation, augment
from models.benchmark_models import check_model
from models.ind_benchmark import PARAMETERS_AT_MOST, design_for, evaluate, float_ind
from models.linear_start import discriminant, ridge, start_linear
from models.metrics import accuracy, r2
from models.ready_tokens import calibrate_tokens
from models.recording import Recording, RecordingError
from models.spatial_filter import class_covariances, common_patterns, fit_spatial_filter, local_references
from models.window_tensors import WindowTensors
from models.windows import decoding_set


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Two epochs: enough to see every stage at work."""
    for name in ("CLASSIFICATION", "FEATURES", "COUNTS"):
        monkeypatch.setattr(models.recipes, name, replace(getattr(models.recipes, name), epochs=2))


@pytest.mark.parametrize(
    ("recording", "channels", "features"),
    [(rhythms(3), 6, 72), (rhythms(12), 12, 144), (rhythms(1), 1, 12), (counts(), 12, 12)],
)
def test_the_design_follows_from_the_recording(recording, channels, features):
    design = design_for(recording)
    assert (design.tokenizer.bank_channels, design.tokenizer.features) == (channels, features)
    assert parameters(design) <= PARAMETERS_AT_MOST


def test_many_channels_narrow_the_decoder_until_it_fits():
    recording = counts()
    session = replace(recording.sessions[0], samples=np.zeros((900, 900), np.float32))
    wide = replace(recording, electrodes=tuple(map(str, range(900))), sessions=(session,), test_sessions=())
    design = design_for(wide)
    assert design.model.embed_dim < 32
    assert parameters(design) <= PARAMETERS_AT_MOST


def test_a_broken_rate_is_one_line():
    with pytest.raises(RecordingError, match=r"rhythms: sampled at 160\.5 Hz; resample it to a whole number of hertz"):
        design_for(replace(rhythms(), sample_hz=160.5))


def test_classes_are_decoded_behind_a_spatial_filter():
    found = evaluate(rhythms(), "ind", 0)
    assert len(found.wanted) == 24
    assert accuracy(found.wanted, found.predicted) > 0.9


def test_values_are_decoded_in_the_units_of_the_targets():
    for kind in ("counts", "features"):
        found = evaluate(counts(kind=kind), "ind", 0)
        assert found.predicted.shape == found.wanted.shape
        assert r2(found.wanted, found.predicted) > 0.3, kind


def test_the_test_session_changes_nothing_in_training():
    for recording in (counts(), rhythms()):
        last = recording.sessions[-1]
        loud = replace(recording, sessions=(*recording.sessions[:-1], replace(last, samples=last.samples[::-1] * 3)))
        first, second = (float_ind(each, design_for(each), 0)[0] for each in (recording, loud))
        for name, value in first.model.state_dict().items():
            assert torch.equal(value, second.model.state_dict()[name]), name


def test_counts_are_taken_as_they_are_and_features_fill_the_format():
    plain = counts()
    token = design_for(plain).tokenizer.token
    assert np.array_equal(calibrate_tokens(plain, [0], token).codes(plain.sessions[0].samples), plain.sessions[0].samples)
    busy = replace(plain, sessions=tuple(replace(s, samples=s.samples + 300) for s in plain.sessions))
    assert calibrate_tokens(busy, [0], token).step[0] == 2
    features = counts(kind="features")
    codes = calibrate_tokens(features, [0], token).codes(features.sessions[0].samples)
    assert abs(np.median(codes) - 128) <= 1
    assert codes.min() < 90 and codes.max() > 166


def test_a_local_reference_takes_away_what_the_neighbours_share():
    draw = torch.Generator().manual_seed(0)
    shared = torch.randn(5000, 1, generator=draw)
    own = torch.randn(5000, 6, generator=draw)
    samples = (3 * shared + own).double()
    rows = local_references(torch.cov(samples.T), torch.ones(6, dtype=torch.bool)).double()
    assert torch.allclose(rows.diagonal(), torch.ones(6, dtype=torch.float64))
    before = torch.corrcoef(torch.cat([samples, shared.double()], 1).T)[-1, :-1]
    after = torch.corrcoef(torch.cat([samples @ rows.T, shared.double()], 1).T)[-1, :-1]
    assert after.abs().max() < 0.6 * before.abs().min()


def test_a_common_pattern_finds_the_mix_that_a_class_moves():
    draw = torch.Generator().manual_seed(0)
    mixing = torch.linalg.qr(torch.randn(8, 8, generator=draw, dtype=torch.float64))[0]
    sources = torch.ones(2, 8, dtype=torch.float64)
    sources[0, 0], sources[1, 1] = 4, 4
    covariance = torch.stack([mixing @ torch.diag(each) @ mixing.T for each in sources])
    rows = common_patterns(covariance, 3).double()
    assert torch.allclose((rows[:2] @ mixing).abs(), torch.eye(8, dtype=torch.float64)[:2], atol=1e-5)
    assert torch.allclose(rows.norm(dim=1), torch.ones(3, dtype=torch.float64))


def test_a_share_of_the_virtual_channels_are_patterns_of_the_training_windows():
    recording = rhythms(12)
    design = design_for(recording)
    found = decoding_set(recording, design, 1)
    plain, mixed = fit_spatial_filter(found, design), fit_spatial_filter(found, design, 2 / 3, ("train", "validation"))
    assert plain.shape == mixed.shape == (12, 12)
    assert torch.equal(mixed[:4], plain[:4])
    covariance = class_covariances(found, design, ("train", "validation"))
    assert torch.equal(mixed[4:], common_patterns(covariance, 8))
    power = torch.einsum("rc,kcd,rd->rk", mixed[4:].double(), covariance, mixed[4:].double())
    assert power[0, 0] > power[0, 1] and power[1, 1] > power[1, 0]


def test_a_burst_lifts_all_channels_of_a_token_together():
    design = design_for(counts())
    tokens, targets = torch.zeros(400, design.model.tokens, design.tokenizer.features), torch.zeros(400, 2)
    how = Augmentation(0.0, 0.0, 0.0, 0.0, bursts=0.05)
    changed, _ = augment(tokens, targets, how, design, torch.Generator().manual_seed(0))
    assert torch.equal(changed, changed[..., :1].expand_as(changed))
    assert changed.min() >= 0
    assert 0.04 < float((changed[..., 0] > 0).float().mean()) < 0.06


def windows(recording: Recording) -> tuple[WindowTensors, object]:
    design = design_for(recording)
    trained, _ = float_ind(recording, design, 0)
    return trained.parts["train"], design


def test_training_starts_as_the_linear_decoder_itself():
    for recording in (counts(), rhythms()):
        train, design = windows(recording)
        torch.manual_seed(0)
        model = models.train.Ind(design)
        start_linear(model, train)
        regression = design.model.regression
        weight, bias = ridge(train) if regression else discriminant(train, design.model.outputs)
        tokens = train.all_tokens()
        seen = tokens if regression else tokens.mean(dim=1, keepdim=True)
        expected = torch.einsum("wtf,otf->wo", seen, weight) + bias
        with torch.no_grad():
            assert torch.allclose(model(tokens), expected, atol=2e-3)


def one_class() -> Recording:
    recording = rhythms()
    sessions = tuple(replace(session, label=np.zeros_like(session.label)) for session in recording.sessions)
    return replace(recording, label_names=("left",), sessions=sessions)


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (one_class(), "rhythms: no IND can be drawn for it (ModelSpec: outputs=1 leaves nothing to decide; use at least 2)"),
        (replace(counts(kind="features"), sample_hz=3000.0), "made: 3000 rows per second; bring it to 1 to 1000"),
        (replace(counts(), sample_hz=0.4), "made: 0.4 rows per second; bring it to 1 to 1000"),
    ],
)
def test_a_recording_that_gets_no_design_is_one_line_before_any_work(recording, message):
    for model in ("ind", "ind_int8", "ind_int4"):
        with pytest.raises(RecordingError) as caught:
            check_model(model, recording)
        assert str(caught.value).startswith(message)
