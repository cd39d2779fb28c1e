"""`python -m models.train` on ind_tiny: what it leaves behind, that it learns, and what it says when it cannot."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import models.fit
import models.train
from designs.decoding_set import DecodingSet
from designs.ind_tiny import IND_TINY
from models.evaluate import evaluate
from models.fit import FitSettings
from models.metrics import accuracy
from models.train import ANEW_STATE, REFIT_BELOW, STATE, measure, train_ind
from models.window_tensors import training_session_windows
from models.windows import decoding_set

ROOT = Path(__file__).parents[2]


def command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "models.train", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.train
def test_ind_tiny_is_trained_well_above_chance_and_can_be_loaded(tmp_path):
    done = command("ind_tiny", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decoding_set.npz", "metrics.json", "model.safetensors"]
    metrics = {metric["name"]: metric["value"] for metric in json.loads((tmp_path / "metrics.json").read_text())}
    assert 0.7 < metrics["accuracy__float"] < 1
    found = DecodingSet.load(tmp_path / "decoding_set.npz")
    label, decided = evaluate(IND_TINY, tmp_path / "model.safetensors", found, "test")
    assert accuracy(label, decided) == metrics["accuracy__float"]
    assert len(label) >= 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ind_tin",), "models.train: design 'ind_tin' is unknown: did you mean ind_tiny?"),
        (
            ("ind_tiny", "--recording", "none.npz"),
            "models.train: none.npz: no such recording; give a file, a folder or moabb:NAME",
        ),
        (
            ("ind_tiny", "--task", "left"),
            "models.train: the generated recording has no task 'left'; leave --task out, or give a --recording",
        ),
    ],
)
def test_wrong_use_is_one_line_and_code_2(tmp_path, arguments, message):
    done = command(*arguments, "--out", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == message
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_test_session_changes_nothing_in_training(recording):
    settings = FitSettings(epochs=2)
    loud = replace(recording.sessions[2], samples=recording.sessions[2].samples[:, ::-1] * 7)
    other = replace(recording, sessions=(*recording.sessions[:2], loud))
    first, second = (train_ind(IND_TINY, decoding_set(each, IND_TINY), settings) for each in (recording, other))
    for name, value in first.model.state_dict().items():
        assert np.array_equal(value.numpy(), second.model.state_dict()[name].numpy()), name
    assert np.array_equal(first.standardisation.scale.numpy(), second.standardisation.scale.numpy())


def test_a_decoder_trained_anew_says_so_and_counts_its_epochs(recording, tmp_path, monkeypatch):
    found, settings, stops = decoding_set(recording, IND_TINY), FitSettings(epochs=3, learning_rate=5e-3), []
    plain = models.train.fit

    def watched(*arguments, stop_after=None, **named):
        stops.append(stop_after)
        return plain(*arguments, stop_after=stop_after, **named)

    monkeypatch.setattr(models.train, "fit", watched)
    assert len(found.windows_of("train")) < REFIT_BELOW
    anew = train_ind(IND_TINY, found, settings, state_path=tmp_path / STATE)
    assert stops == [None, anew.best_epoch]
    assert anew.trained_on == "train and validation"
    assert (tmp_path / ANEW_STATE).exists()
    origin = {metric.name: metric.origin for metric in measure(anew, found, IND_TINY, 1.0)}
    assert origin["accuracy__validation"].startswith(
        "float model, as it was before training anew with their cues, 8 validation"
    )
    assert origin["train__epochs"] == "epoch with the least validation loss, then anew for as many with its cues"
    monkeypatch.setattr(models.train, "REFIT_BELOW", 0)
    once = train_ind(IND_TINY, found, settings)
    assert once.trained_on == "train"
    origin = {metric.name: metric.origin for metric in measure(once, found, IND_TINY, 1.0)}
    assert origin["accuracy__validation"].startswith("float model, 8 validation windows of")
    assert origin["train__epochs"] == "epoch with the least validation loss"


def test_a_training_anew_that_was_interrupted_goes_on(recording, tmp_path, monkeypatch):
    found, settings = decoding_set(recording, IND_TINY), FitSettings(epochs=3, learning_rate=5e-3)
    whole = train_ind(IND_TINY, found, settings).model.state_dict()
    keep, kept = models.fit._keep, []

    def interrupted(path, *arguments):
        keep(path, *arguments)
        kept.append(path.name)
        if kept == [STATE] * 3 + [ANEW_STATE]:
            raise KeyboardInterrupt

    monkeypatch.setattr(models.fit, "_keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_ind(IND_TINY, found, settings, state_path=tmp_path / STATE)
    resumed = train_ind(IND_TINY, found, settings, state_path=tmp_path / STATE).model.state_dict()
    assert STATE not in kept[4:]
    assert len(kept) < 8
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_the_last_training_stays_inside_the_training_sessions(recording):
    found = decoding_set(recording, IND_TINY)
    tokens = [np.zeros((len(stream) // IND_TINY.tokenizer.token_samples, 16), np.float32) for stream in found.streams]
    windows = training_session_windows(found, [torch.from_numpy(each) for each in tokens], IND_TINY, spread=40)
    first_test = len(tokens[0]) + len(tokens[1])
    assert windows.rows.min() >= 0
    assert windows.rows.max() < first_test
    crossing = (windows.rows[:, 0] < len(tokens[0])) & (windows.rows[:, -1] >= len(tokens[0]))
    assert not crossing.any()
