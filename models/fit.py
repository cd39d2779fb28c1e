"""The training loop: AdamW on augmented windows, averaged weights, early stopping on validation, a state to go on from."""

import copy
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from designs.schema import Design
from models.augment import Augmentation, augment, soft_cross_entropy, soft_targets
from models.checkpoint import load_tensors, save_tensors
from models.window_tensors import WindowTensors

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""(model, standardised tokens [batch, tokens, features], soft targets or a floating-point label [batch, ...]) -> scalar."""


@dataclass(frozen=True)
class FitSettings:
    """How to train. An epoch is every training window once, or `windows_per_epoch` of them where there are fewer."""

    epochs: int = 30
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    average: float = 0.98
    """Share of the averaged weights that one step keeps."""
    patience: int = 10
    """Epochs without a better validation loss after which training stops."""
    windows_per_epoch: int = 256
    start: str = "random"
    """random, or linear: as the best linear decoder of the training windows (models.linear_start)."""
    spread: int | None = None
    """How far training windows may lie from their cue's own, in tokens; None: models.windows.spread_tokens."""
    judged: bool = True
    """Whether validation chooses the number of epochs; else it is `epochs`, and validation windows train like the others."""
    patterns: float = 0.0
    """Share of the spatial filter's rows that are common spatial patterns (models.spatial_filter)."""
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass
class FitState:
    """Where training stands. `best` holds the averaged weights of the epoch with the least validation loss."""

    epoch: int
    step: int
    best_epoch: int
    best_loss: float
    best: dict[str, Tensor]


def task_loss(model: nn.Module, tokens: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the model's logits against soft targets."""
    return soft_cross_entropy(model(tokens), targets)


def value_loss(model: nn.Module, tokens: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of a regressor's outputs."""
    return nn.functional.mse_loss(model(tokens), targets)


def fit(
    model: nn.Module,
    train: WindowTensors,
    validation: WindowTensors | None,
    design: Design,
    settings: FitSettings,
    *,
    loss: Loss | None = None,
    channels: int | None = None,
    stop_after: int | None = None,
    state_path: Path | None = None,
    note: str = "",
    on_epoch: Callable[[int, float, float], None] = lambda epoch, train_loss, validation_loss: None,
) -> FitState:
    """Train `model` in place on standardised windows; it ends with the averaged weights of its best validation epoch.

    Without `validation` nothing is chosen: it ends with the averaged weights after `stop_after` epochs of the same schedule.
    With `state_path` the state is kept there after every epoch and taken up again if it was left by the same settings and
    `note`; the result is the same as without the interruption. `on_epoch` hears (epoch, training loss, validation loss or NaN).
    A floating-point label is what `loss` takes, as it is. channels: of the windows, where they are not the design's tokens.
    """
    loss = loss or (value_loss if design.model.regression else task_loss)
    last = settings.epochs if stop_after is None else min(stop_after, settings.epochs)
    marks = json.dumps(asdict(settings) | {"stop_after": stop_after} | ({"note": note} if note else {}))
    averaged = copy.deepcopy(model)
    optimiser = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    state = FitState(0, 0, 0, math.inf, _weights(averaged))
    if state_path is not None and state_path.exists():
        state = _resume(state_path, model, averaged, optimiser, marks) or state
    while state.epoch < last and state.epoch - state.best_epoch < settings.patience:
        train_loss = _epoch(model, averaged, optimiser, train, design, settings, state, loss, channels)
        validation_loss = math.nan if validation is None else evaluation_loss(averaged, validation)
        state.epoch += 1
        if validation is None or validation_loss < state.best_loss:
            state.best_epoch, state.best_loss, state.best = state.epoch, validation_loss, _weights(averaged)
        if state_path is not None:
            _keep(state_path, model, averaged, optimiser, state, marks)
        on_epoch(state.epoch, train_loss, validation_loss)
    model.load_state_dict(state.best)
    model.eval()
    return state


@torch.no_grad()
def evaluation_loss(model: nn.Module, windows: WindowTensors) -> float:
    """Mean cross-entropy of `model` on whole windows, or a regressor's mean squared error; no augmentation."""
    model.eval()
    if windows.label.dtype.is_floating_point:
        return float(nn.functional.mse_loss(predict(model, windows), windows.label))
    return float(nn.functional.cross_entropy(model(windows.all_tokens()), windows.label))


@torch.no_grad()
def decide(model: nn.Module, windows: WindowTensors, batch: int = 1024) -> Tensor:
    """int64 [windows]: the class with the largest logit."""
    return predict(model, windows, batch).argmax(dim=1).cpu()


@torch.no_grad()
def predict(model: nn.Module, windows: WindowTensors, batch: int = 1024) -> Tensor:
    """[windows, outputs]: logits, or a regressor's standardised values."""
    model.eval()
    chosen = torch.arange(len(windows)).split(batch)
    return torch.cat([model(windows.batch(part)[0]) for part in chosen])


def _epoch(
    model: nn.Module,
    averaged: nn.Module,
    optimiser: torch.optim.Optimizer,
    train: WindowTensors,
    design: Design,
    settings: FitSettings,
    state: FitState,
    loss: Loss,
    channels: int | None,
) -> float:
    draw = torch.Generator().manual_seed(settings.seed * 1_000_003 + state.epoch)
    repeats = max(1, round(settings.windows_per_epoch / len(train)))
    order = torch.cat([torch.randperm(len(train), generator=draw) for _ in range(repeats)])
    batches = order.split(settings.batch)
    steps, total = len(batches) * settings.epochs, 0.0
    model.train()
    for chosen in batches:
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _schedule(state.step / steps)
        tokens, label = train.batch(chosen)
        given = label.dtype.is_floating_point
        targets = label if given else soft_targets(label, design.model.outputs, settings.smoothing)
        value = loss(model, *augment(tokens, targets, settings.augmentation, design, draw, channels))
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        state.step += 1
        follow(averaged, model, settings.average, state.step)
        total += float(value.detach())
    return total / len(batches)


def _schedule(progress: float) -> float:
    """Share of the learning rate: five percent of warm-up, then half a cosine."""
    return min(1.0, progress / 0.05 + 0.02) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


@torch.no_grad()
def follow(averaged: nn.Module, model: nn.Module, share: float, step: int) -> None:
    """Move averaged weights towards the model's after step number `step`: they keep `share` of themselves, less at first."""
    keep = min(share, step / (step + 10))
    for mean, value in zip(averaged.parameters(), model.parameters(), strict=True):
        mean.lerp_(value, 1 - keep)
    for kept, seen in zip(averaged.buffers(), model.buffers(), strict=True):
        kept.copy_(seen)  # running statistics are averages already


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in model.state_dict().items()}


def _keep(path: Path, model: nn.Module, averaged: nn.Module, optimiser: torch.optim.AdamW, state: FitState, marks: str) -> None:
    tensors = {f"model.{name}": value for name, value in _weights(model).items()}
    tensors |= {f"averaged.{name}": value for name, value in _weights(averaged).items()}
    tensors |= {f"best.{name}": value for name, value in state.best.items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value).clone() for name, value in moments.items()}
    where = {"epoch": state.epoch, "step": state.step, "best_epoch": state.best_epoch, "best_loss": state.best_loss}
    save_tensors(path, tensors, {"settings": marks, "state": json.dumps(where)})


def _resume(path: Path, model: nn.Module, averaged: nn.Module, optimiser: torch.optim.AdamW, marks: str) -> FitState | None:
    """The kept state, or None if it was left by other settings or another network."""
    tensors, metadata = load_tensors(path)
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "averaged": {}, "best": {}, "optimiser": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = value
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    if metadata.get("settings") != marks or shapes != {n: v.shape for n, v in parts["best"].items()}:
        return None
    model.load_state_dict(parts["model"])
    averaged.load_state_dict(parts["averaged"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in parts["optimiser"].items():
        index, _, moment = name.partition(".")
        moments.setdefault(int(index), {})[moment] = value
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    device = next(model.parameters()).device
    return FitState(**json.loads(metadata["state"]), best={name: value.to(device) for name, value in parts["best"].items()})
