"""Windows of a task that a made-up teacher knows: what every test of distillation starts from."""

from dataclasses import replace

import torch

from designs.ind_tiny import IND_TINY
from designs.schema import Design
from models.augment import Augmentation
from models.distillation.distil import Lessons
from models.distillation.teaching import Teaching
from models.fit import FitSettings
from models.window_tensors import WindowTensors

TAUGHT_DIM = 20
REGRESSOR = replace(IND_TINY, model=replace(IND_TINY.model, outputs=2, task="regression", pool="none"))
SETTINGS = FitSettings(
    epochs=3, batch=32, learning_rate=5e-3, judged=False, augmentation=Augmentation(noise=0.2, lost=0.0, gain=0.0, mixed=0.2)
)


def lessons(count: int = 48, *, regression: bool = False, seed: int = 1, signal: bool = False) -> Lessons:
    """Noise that a class lifts on one electrode, or that two outputs shift; the teacher's embedding holds the truth among
    directions that mean nothing, and its readout finds it."""
    draw = torch.Generator().manual_seed(seed)
    design = REGRESSOR if regression else IND_TINY
    rows, width = (4 * design.tokenizer.token_samples, 4) if signal else (4, design.tokenizer.features)
    tokens = torch.randn(count, rows, width, generator=draw)
    if regression:
        label = torch.randn(count, 2, generator=draw)
        tokens[:, :, 0] += 2 * label[:, :1]
        tokens[:, :, 5 % width] += 2 * label[:, 1:]
        truth = label
    else:
        label = torch.arange(count) % 4
        for electrode in range(4):
            each = width // 4
            lifted = (label == electrode, slice(None), slice(each * electrode, each * (electrode + 1)))
            tokens[lifted] = 3 * tokens[lifted] if signal else tokens[lifted] + 1
        truth = torch.nn.functional.one_hot(label, 4).float()
    windows = WindowTensors(tokens.flatten(0, 1), torch.arange(rows * count).view(count, rows), label)
    taught = teaching_of(truth, draw, 1.0 if regression else 4.0)
    return Lessons(windows, taught, taught)


def teaching_of(truth: torch.Tensor, draw: torch.Generator, sureness: float) -> Teaching:
    """A teacher that knows `truth` [windows, outputs], and much besides that is louder."""
    outputs = truth.shape[1]
    mixing = torch.randn(outputs, TAUGHT_DIM, generator=torch.Generator().manual_seed(99))
    other = torch.randn(TAUGHT_DIM, TAUGHT_DIM, generator=torch.Generator().manual_seed(98))
    other -= other @ torch.linalg.pinv(mixing) @ mixing
    embedding = truth @ mixing + 2 * torch.randn(len(truth), TAUGHT_DIM, generator=draw) @ other
    return Teaching(embedding, sureness * torch.linalg.pinv(mixing).T, torch.zeros(outputs))


def design_of(regression: bool) -> Design:
    return REGRESSOR if regression else IND_TINY
