"""The training loop: it learns, it is repeatable, it goes on where it was interrupted, and statistics come from training."""

from dataclasses import replace

import pytest
import torch

from designs.ind_tiny import IND_TINY
from models.emphasis import SLOW_HZ, feature_gains, fold_gains, with_gains
from models.fit import FitSettings, decide, fit
from models.ind import Ind
from models.standardise import fit_standardisation
from models.window_tensors import WindowTensors, seen_tokens

SETTINGS = FitSettings(epochs=6, learning_rate=5e-3)


def windows(count: int, seed: int) -> WindowTensors:
    """Standardised noise in which each class lifts one electrode's features."""
    draw = torch.Generator().manual_seed(seed)
    label = torch.arange(count) % 4
    tokens = torch.randn(count, 4, 16, generator=draw)
    for electrode in range(4):
        tokens[label == electrode, :, 4 * electrode : 4 * electrode + 4] += 1.0
    return WindowTensors(tokens.flatten(0, 1), torch.arange(4 * count).view(count, 4), label)


def trained(settings=SETTINGS, **arguments):
    torch.manual_seed(0)
    model = Ind(IND_TINY)
    state = fit(model, windows(256, 1), windows(64, 2), IND_TINY, settings, **arguments)
    return model, state


def test_a_separable_task_is_learned():
    model, _ = trained()
    test = windows(200, 3)
    assert (decide(model, test) == test.label).float().mean() > 0.8


def test_a_seed_fixes_every_weight():
    first, second = trained()[0].state_dict(), trained()[0].state_dict()
    other = trained(replace(SETTINGS, seed=1))[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["embed.weight"], other["embed.weight"])


def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path):
    def interrupt(epoch, *_):
        if epoch == 3:
            raise KeyboardInterrupt

    whole = trained()[0].state_dict()
    with pytest.raises(KeyboardInterrupt):
        trained(state_path=tmp_path / "resume.safetensors", on_epoch=interrupt)
    epochs = []
    model, _ = trained(state_path=tmp_path / "resume.safetensors", on_epoch=lambda epoch, *_: epochs.append(epoch))
    assert epochs == [4, 5, 6]
    assert all(torch.equal(whole[name], value) for name, value in model.state_dict().items())


def test_without_validation_the_last_epoch_is_kept(tmp_path):
    ended, epochs = {}, []
    for stop in (2, 3):
        torch.manual_seed(0)
        model = Ind(IND_TINY)
        state = fit(model, windows(256, 1), None, IND_TINY, SETTINGS, stop_after=stop, state_path=tmp_path / f"{stop}")
        assert (state.epoch, state.best_epoch) == (stop, stop)
        ended[stop] = model.state_dict()
    assert not torch.equal(ended[2]["embed.weight"], ended[3]["embed.weight"])
    model = Ind(IND_TINY)
    again = fit(
        model, windows(256, 1), None, IND_TINY, SETTINGS, stop_after=3, state_path=tmp_path / "3", on_epoch=epochs.append
    )
    assert again.epoch == 3
    assert epochs == []
    assert torch.equal(model.state_dict()["embed.weight"], ended[3]["embed.weight"])


def test_a_state_of_other_settings_is_not_taken_up(tmp_path):
    path = tmp_path / "resume.safetensors"
    trained(replace(SETTINGS, epochs=2), state_path=path)
    epochs = []
    trained(state_path=path, on_epoch=lambda epoch, *_: epochs.append(epoch))
    assert epochs[0] == 1


def test_training_stops_when_validation_does_not_improve():
    state = trained(replace(SETTINGS, learning_rate=0.0, patience=2))[1]
    assert state.epoch <= 3


def test_standardisation_looks_at_training_windows_alone():
    train = windows(64, 1)
    lone = WindowTensors(torch.cat([train.tokens, torch.full((9, 16), 1e6)]), train.rows, train.label)
    found, expected = fit_standardisation(seen_tokens(lone)), fit_standardisation(seen_tokens(train))
    assert torch.equal(found.centre, expected.centre)
    assert torch.equal(found.scale, expected.scale)


def test_standardised_tokens_have_median_zero_and_normal_spread():
    tokens = 5 + 3 * torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0))
    found = fit_standardisation(tokens)
    assert torch.allclose(found.centre, torch.tensor(5.0), atol=0.1)
    assert torch.allclose(found.scale, torch.tensor(3.0), atol=0.1)


def test_a_feature_that_never_changes_standardises_to_zero():
    found = fit_standardisation(torch.full((10, 3), 4.0))
    assert torch.equal(found(torch.full((2, 3), 4.0)), torch.zeros(2, 3))


def test_folded_gains_leave_the_logits_as_they_are():
    train = windows(64, 1)
    gains, model = feature_gains(train, IND_TINY), Ind(IND_TINY)
    before = model(with_gains(train, gains).all_tokens())
    fold_gains(model, gains)
    assert torch.allclose(model(train.all_tokens()), before, atol=1e-5)


def test_features_that_tell_classes_apart_are_loudest_and_slow_ones_turned_down():
    train = windows(256, 1)
    train.tokens[:, 4:] = torch.randn(train.tokens[:, 4:].shape, generator=torch.Generator().manual_seed(9))
    gains = feature_gains(train, IND_TINY)
    assert gains[:4].min() > 2 * gains[4:].max()
    slow = replace(IND_TINY, tokenizer=replace(IND_TINY.tokenizer, sample_hz=100))  # its lowest wavelet is at 3.1 Hz
    assert SLOW_HZ > 100 / 4 / 8
    assert torch.allclose(feature_gains(train, slow)[3] * 10, gains[3])
