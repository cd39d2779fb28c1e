"""Every model of the benchmark, fitted on a fold: all that fitting found, what it answers, and the same from a file."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import quant.ind_benchmark
from designs.schema import Design
from models import learn_centres, recipes
from models.baselines import network_training
from models.baselines.eeg_conformer import EegConformer
from models.baselines.eeg_network import EegNetwork
from models.baselines.network_training import Training
from models.baselines.registry import BASELINES
from models.checkpoint import load_checkpoint, save_checkpoint
from models.fit import predict
from models.ind_benchmark import design_for, float_ind
from models.recipes import benchmark_recipe
from models.recording import Recording
from models.trials import windows_of
from models.windows import decoding_set
from quant.export_qonnx import export_qonnx
from quant.fine_tune import QatSettings, logits
from quant.golden.read_qonnx import read_qonnx
from quant.golden.trace import trace_tokens
from quant.ind_benchmark import WIDTHS, quantize
from quant.integer_windows import integer_windows
from quant.quantized import float_embedding, float_filter, front_end


@dataclass(frozen=True)
class Fitted:
    """arrays: all that fitting found; answers: classes, logits or values on the test windows; again: the same answers from a
    model that was saved in a folder and loaded."""

    arrays: dict[str, np.ndarray]
    answers: np.ndarray
    again: Callable[[Path], np.ndarray]


def integers_briefly(patch: pytest.MonkeyPatch) -> None:
    """Few steps towards learned centres and in fine-tuning, which begin at what works already."""
    patch.setattr(learn_centres, "STEPS", 4)
    patch.setattr(learn_centres, "WARM_UP", 2)
    patch.setattr(quant.ind_benchmark, "QatSettings", partial(QatSettings, epochs=1, steps_per_epoch=3))


def few_steps(patch: pytest.MonkeyPatch) -> None:
    """Few steps everywhere, where it does not matter how well a model learns."""
    integers_briefly(patch)
    for recipe in ("CLASSIFICATION", "FEATURES", "COUNTS"):
        patch.setattr(recipes, recipe, replace(getattr(recipes, recipe), epochs=1))
    patch.setattr(network_training, "LEAST_STEPS", 1)
    for network in (EegNetwork, EegConformer):
        patch.setattr(network, "training", Training(epochs=3, learning_rate=1e-3))


def fitted(name: str, fold: Recording, seed: int = 0) -> Fitted:
    """The benchmark's model `name`, as its row is computed."""
    if name in BASELINES:
        return _baseline(name, fold, seed)
    if name in WIDTHS:
        return _integers(design_for(fold, WIDTHS[name], WIDTHS[name]), fold, seed)
    design = design_for(fold)
    if name == "ind_centres":
        found = decoding_set(fold, design, benchmark_recipe(design, seed).spread)
        design = learn_centres.with_centres(design, learn_centres.learn_centres(found, design, seed))
    return _float(design, fold, seed)


def _baseline(name: str, fold: Recording, seed: int) -> Fitted:
    train, test = windows_of(fold)
    model = BASELINES[name]()
    model.fit(train, seed)

    def again(folder: Path) -> np.ndarray:
        model.save(folder / "model.safetensors")
        loaded = BASELINES[name]()
        loaded.load(folder / "model.safetensors")
        assert (loaded.parameters, loaded.macs(test)) == (model.parameters, model.macs(test))
        return loaded.predict(test)

    return Fitted(model.arrays, model.predict(test), again)


def _float(design: Design, fold: Recording, seed: int) -> Fitted:
    trained, _ = float_ind(fold, design, seed)
    standardisation = trained.standardisation
    arrays = {key: value.numpy() for key, value in trained.model.state_dict().items()}
    arrays |= {"centre": standardisation.centre.numpy(), "scale": standardisation.scale.numpy()}
    arrays |= {"wavelets": np.array(design.tokenizer.centres)}

    def again(folder: Path) -> np.ndarray:
        save_checkpoint(folder / "model.safetensors", design, trained.model, standardisation)
        model, scale = load_checkpoint(folder / "model.safetensors", design)
        assert all(torch.equal(getattr(scale, key), getattr(standardisation, key)) for key in ("centre", "scale"))
        return predict(model, trained.parts["test"]).numpy()

    return Fitted(arrays, predict(trained.model, trained.parts["test"]).numpy(), again)


def _integers(design: Design, fold: Recording, seed: int) -> Fitted:
    """Answers in memory are Brevitas', those from the file are the golden model's."""
    trained, found = float_ind(fold, design, seed)
    windows = integer_windows(found, design, float_embedding(trained.model), spatial=float_filter(trained.model))
    quantized, front = quantize(design, trained.model, windows, seed), front_end(trained.model, windows)
    arrays = {key: value.detach().numpy() for key, value in quantized.state_dict().items()}
    arrays |= {key: np.asarray(value) for key, value in vars(front).items() if value is not None}

    def again(folder: Path) -> np.ndarray:
        export_qonnx(quantized, front, folder / "ind.qonnx")
        parameters = read_qonnx(folder / "ind.qonnx", design)
        tokens = windows.parts["test"].all_tokens().numpy().astype(np.int64)
        return trace_tokens(tokens, parameters)["readout"] * parameters.readout_scale

    return Fitted(arrays, logits(quantized, windows.parts["test"]).numpy(), again)
