"""Quantization-aware fine-tuning: the float decoder teaches its quantized twin; validation decides which epoch is kept."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from designs.schema import Design
from models.augment import Augmentation, augment, soft_cross_entropy, soft_targets
from models.standardise import Standardisation
from models.window_tensors import WindowTensors
from quant.calibrate import keep_shifts_in_range
from quant.quant_ind import QuantInd

Teacher = Callable[[Tensor], Tensor]
"""Standardised tokens [batch, tokens, features] -> logits [batch, outputs]."""


@dataclass(frozen=True)
class QatSettings:
    """How to fine-tune. Rates are relative: a tensor moves by `learning_rate` times its own size per step."""

    epochs: int = 12
    batch: int = 128
    learning_rate: float = 0.005
    range_rate: float = 0.003
    """Step of the clipping ranges, in octaves."""
    smoothing: float = 0.1
    teaching: float = 0.5
    """Share of the loss in which the teacher's decision stands for the label."""
    average: float = 0.95
    """Share of the averaged weights, which validation sees, that one step keeps."""
    patience: int = 6
    steps_per_epoch: int = 20
    seed: int = 0
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(noise=0.2, lost=0.05, gain=0.1, mixed=0.2))


@dataclass
class QatState:
    """The best epoch so far; epoch 0 is the calibrated decoder before any training."""

    best_epoch: int
    best_loss: float
    best: dict[str, Tensor]


def fine_tune(
    model: QuantInd,
    teacher: Teacher,
    train: WindowTensors,
    validation: WindowTensors,
    standardisation: Standardisation,
    settings: QatSettings,
    on_epoch: Callable[[int, float], None] = lambda epoch, validation_loss: None,
) -> QatState:
    """Train `model` in place on windows of integer tokens; it ends with the weights of its best validation epoch."""
    design, averaged = model.design, copy.deepcopy(model)
    optimiser = torch.optim.Adam(_groups(model, settings))
    rates = [group["lr"] for group in optimiser.param_groups]
    draw = torch.Generator().manual_seed(settings.seed)
    state = QatState(0, evaluation_loss(model, validation), _weights(model))
    on_epoch(0, state.best_loss)
    step, steps = 0, settings.epochs * settings.steps_per_epoch
    for epoch in range(1, settings.epochs + 1):
        model.train()
        for _ in range(settings.steps_per_epoch):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            loss = _loss(model, teacher, _batch(train, standardisation, design, settings, draw), settings)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(_ranges(model), 1.0)
            optimiser.step()
            keep_shifts_in_range(model)
            _average(averaged, model, min(settings.average, step / (step + 10)))
            step += 1
        keep_shifts_in_range(averaged)
        validation_loss = evaluation_loss(averaged, validation)
        if validation_loss < state.best_loss:
            state = QatState(epoch, validation_loss, _weights(averaged))
        on_epoch(epoch, validation_loss)
        if epoch - state.best_epoch >= settings.patience:
            break
    model.load_state_dict(state.best)
    model.eval()
    return state


def to_tokens(standardised: Tensor, standardisation: Standardisation, design: Design) -> Tensor:
    """Standardised values -> the integer tokens that come closest, as float; a feature that never changes keeps its centre."""
    changing = torch.isfinite(standardisation.scale)
    scale = torch.where(changing, standardisation.scale, 0.0)
    token = design.tokenizer.token
    return torch.floor(standardised * scale + standardisation.centre + 0.5).clamp(token.min, token.max)


@torch.no_grad()
def evaluation_loss(model: QuantInd, windows: WindowTensors) -> float:
    """Mean cross-entropy of the quantized decoder on whole windows."""
    return float(nn.functional.cross_entropy(logits(model, windows), windows.label))


@torch.no_grad()
def logits(model: QuantInd, windows: WindowTensors, batch: int = 512) -> Tensor:
    """[windows, outputs] of the quantized decoder."""
    model.eval()
    chosen = torch.arange(len(windows)).split(batch)
    return torch.cat([model(windows.batch(part)[0]) for part in chosen])


def _batch(
    train: WindowTensors, standardisation: Standardisation, design: Design, settings: QatSettings, draw: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """(integer tokens, the same standardised, soft targets) of one augmented batch."""
    chosen = torch.randint(len(train), (settings.batch,), generator=draw)
    tokens, label = train.batch(chosen)
    targets = soft_targets(label, design.model.outputs, settings.smoothing)
    changed, targets = augment(standardisation(tokens), targets, settings.augmentation, design, draw)
    integers = to_tokens(changed, standardisation, design)
    return integers, standardisation(integers), targets


def _loss(model: QuantInd, teacher: Teacher, batch: tuple[Tensor, Tensor, Tensor], settings: QatSettings) -> Tensor:
    integers, standardised, targets = batch
    with torch.no_grad():
        taught = teacher(standardised).softmax(dim=1)
    mixed = settings.teaching * taught + (1 - settings.teaching) * targets
    return soft_cross_entropy(model(integers), mixed)


def _ranges(model: QuantInd) -> list[nn.Parameter]:
    return [value for name, value in model.named_parameters() if name.endswith("scaling_impl.value")]


def _groups(model: QuantInd, settings: QatSettings) -> list[dict]:
    groups: list[dict] = [{"params": _ranges(model), "lr": settings.range_rate}]
    for name, value in model.named_parameters():
        if not name.endswith("scaling_impl.value"):
            size = float(value.detach().pow(2).mean().sqrt())
            groups.append({"params": [value], "lr": settings.learning_rate * max(size, 1e-4)})
    return groups


@torch.no_grad()
def _average(averaged: QuantInd, model: QuantInd, keep: float) -> None:
    for mean, value in zip(averaged.parameters(), model.parameters(), strict=True):
        mean.lerp_(value, 1 - keep)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
