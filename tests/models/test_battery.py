"""One battery over every model of the benchmark: shapes, 20 windows learnt by heart, determinism, saved and loaded.

The session that tests repeats the one that trains, so that what is asked is what was learnt.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fitted_models import Fitted, few_steps, fitted, integers_briefly
from made_recordings import twenty_moments, twenty_trials

from models.augment import Augmentation
from models.baselines.registry import CLASSICAL, NETWORKS, REGRESSIONS
from models.benchmark_models import NAMES, check_model, evaluate
from models.fit import FitSettings, predict
from models.ind_benchmark import design_for
from models.metrics import accuracy, r2
from models.train import train_ind
from models.windows import decoding_set

FOLDS = {
    "two classes": twenty_trials(2),
    "three classes": twenty_trials(3),
    "one channel": twenty_trials(2, channels=1),
    "mixed channels": twenty_trials(3, channels=12),
    "counts": twenty_moments("counts"),
    "features": twenty_moments("features"),
}
KINDS_OF = {
    **{model.name: ("two classes", "three classes") for model in CLASSICAL},
    **{model.name: ("three classes",) for model in NETWORKS},
    **{model.name: ("counts", "features") for model in REGRESSIONS},
    "ind": tuple(FOLDS),
    "ind_centres": ("mixed channels",),
    "ind_int8": ("mixed channels", "counts"),
    "ind_int4": ("three classes", "features"),
}
CASES = [(name, kind) for name, kinds in KINDS_OF.items() for kind in kinds]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(case))
def case(request: pytest.FixtureRequest) -> tuple[str, str, Fitted]:
    """(model, kind, the model after few steps)."""
    name, kind = request.param
    with pytest.MonkeyPatch.context() as patch:
        few_steps(patch)
        return name, kind, fitted(name, FOLDS[kind], seed=3)


def test_the_battery_covers_every_model_of_the_benchmark():
    assert set(KINDS_OF) == set(NAMES)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_twenty_windows_are_learnt_by_heart(name, kind, monkeypatch):
    integers_briefly(monkeypatch)
    fold = FOLDS[kind]
    check_model(name, fold)
    found = evaluate(fold, name, seed=0)
    shape, values = ((20,), np.int64) if fold.events else ((20, 2), np.float32)
    assert found.predicted.shape == found.wanted.shape == shape and found.wanted.dtype == values
    assert np.can_cast(found.predicted.dtype, values, "same_kind") and found.train_windows >= 20
    assert found.parameters > 0 and found.macs > 0
    if fold.events:
        assert accuracy(found.wanted, found.predicted) >= 0.95
    else:
        assert r2(found.wanted, found.predicted) > 0.9


def test_the_same_seed_gives_the_same_model(case, monkeypatch):
    few_steps(monkeypatch)
    name, kind, first = case
    second = fitted(name, FOLDS[kind], seed=3)
    assert first.arrays.keys() == second.arrays.keys()
    assert all(np.array_equal(first.arrays[key], second.arrays[key]) for key in first.arrays)
    assert np.array_equal(first.answers, second.answers)


def test_a_saved_model_answers_the_same(case, tmp_path):
    found = case[2]
    assert np.array_equal(found.again(tmp_path), found.answers)


@pytest.mark.parametrize("name", ["eegnet", "gru", "ind", "ind_int4"])
def test_another_seed_gives_another_network(name, monkeypatch):
    few_steps(monkeypatch)
    fold = FOLDS["three classes" if name == "eegnet" else "features"]
    first, second = (fitted(name, fold, seed).arrays for seed in (3, 4))
    assert any(not np.array_equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("kind", [kind for kind in FOLDS if kind != "one channel"])
def test_the_ind_learns_twenty_windows_of_noise_by_heart(kind):
    """From random weights, and with answers that follow nothing: what no linear start and no luck of the signal gives."""
    design = design_for(FOLDS[kind])
    found = decoding_set(FOLDS[kind], design, spread=0)
    draw = np.random.default_rng(0)
    course, label = draw.normal(size=(20, 2)).astype(np.float32), draw.permutation(np.arange(20) % design.model.outputs)
    answers = {"window_target": np.tile(course, (2, 1))} if found.regression else {"window_label": np.tile(label, 2)}
    plain = FitSettings(
        epochs=20,
        batch=20,
        learning_rate=3e-3,
        weight_decay=0,
        smoothing=0,
        average=0.9,
        spread=0,
        judged=False,
        augmentation=Augmentation(0, 0, 0, 0),
    )
    trained = train_ind(design, replace(found, **answers), plain)
    test = trained.parts["test"]
    outputs = predict(trained.model, test)
    if found.regression:
        assert float(torch.nn.functional.mse_loss(outputs, test.label)) < 0.05
    else:
        assert torch.equal(outputs.argmax(dim=1), test.label)
