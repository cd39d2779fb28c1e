"""Quantization-aware fine-tuning: the float decoder teaches its quantized twin; validation decides which epoch is kept.

An epoch is judged by its divergence from the float decoder on validation windows: unlike accuracy on a hundred cues, or loss
on labels that the float decoder may have been trained on, it sees every change that quantization makes.

A decoder that was distilled has a teacher of its own. What that teacher says about the training windows (a Lesson) stays in the
loss: its decisions beside the float decoder's, and where it would have the embedding. Then an epoch is judged by both, by the
lesson on the training windows: validation windows of a decoder calibrated on a few trials are these trials' own.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from designs.schema import Design
from models.augment import Augmentation, augment, soft_cross_entropy
from models.distillation.ind_student import mean_of_tokens
from models.distillation.lesson import Lesson
from models.standardise import Standardisation
from models.window_tensors import WindowTensors
from quant.calibrate import keep_shifts_in_range
from quant.quant_ind import QuantInd

Teacher = Callable[[Tensor], Tensor]
"""Standardised tokens [batch, tokens, features] -> logits [batch, outputs]."""
RangeStep = Callable[[nn.Parameter, float], float]
"""(learned range, octaves) -> the same step in the units in which it is learned; the product learns octaves."""


@dataclass(frozen=True)
class QatSettings:
    """How to fine-tune. Rates are relative: a tensor moves by `learning_rate` times its own size per step."""

    epochs: int = 12
    batch: int = 128
    learning_rate: float = 0.001
    range_rate: float = 0.001
    """Step of the clipping ranges, in octaves."""
    average: float = 0.98
    """Share of the averaged weights, which validation sees, that one step keeps."""
    patience: int = 6
    steps_per_epoch: int = 20
    taught: float = 0.5
    """Weight of what a lesson adds to the divergence from the float decoder."""
    seed: int = 0
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(noise=0.2, lost=0.05, gain=0.1, mixed=0.2))


@dataclass
class QatState:
    """The best epoch so far; epoch 0 is the calibrated decoder before any training."""

    best_epoch: int
    best_divergence: float
    best: dict[str, Tensor]


def fine_tune(
    model: QuantInd,
    teacher: Teacher,
    train: WindowTensors,
    validation: WindowTensors,
    standardisation: Standardisation,
    settings: QatSettings,
    on_epoch: Callable[[int, float], None] = lambda epoch, distance: None,
    lesson: Lesson | None = None,
    *,
    keep_in_range: Callable[[QuantInd], None] = keep_shifts_in_range,
    range_step: RangeStep = lambda value, octaves: octaves,
    penalty: Callable[[QuantInd], Tensor] | None = None,
) -> QatState:
    """Train `model` in place on windows of integer tokens; it ends with the weights of its best validation epoch.

    lesson: what the float decoder's own teacher says about the windows of `train`, in their order. keep_in_range: what brings
    scales back after every step. range_step: a step of so many octaves in the units of a range. penalty: what is added to the
    loss of every step, whatever the windows; no epoch is judged by it.
    """
    design, averaged = model.design, copy.deepcopy(model)
    optimiser = torch.optim.Adam(_groups(model, settings, range_step))
    rates = [group["lr"] for group in optimiser.param_groups]
    ranges = _ranges(model)  # found once: Brevitas' modules are many, and walking them every step costs
    means = list(zip(averaged.parameters(), model.parameters(), strict=True))
    draw = torch.Generator().manual_seed(settings.seed)
    with torch.no_grad():
        taught = torch.cat([teacher(standardisation(part)) for part in validation.all_tokens().split(512)])
    apart = squared_distance if design.model.regression else divergence

    def judged(candidate: QuantInd) -> float:
        distance = apart(taught, logits(candidate, validation))
        return distance if lesson is None else distance + settings.taught * lesson_distance(candidate, lesson, train)

    state = QatState(0, judged(model), _weights(model))
    on_epoch(0, state.best_divergence)
    step, steps = 0, settings.epochs * settings.steps_per_epoch
    for epoch in range(1, settings.epochs + 1):
        model.train()
        for _ in range(settings.steps_per_epoch):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            integers, told = _batch(train, standardisation, design, settings, draw, lesson)
            embedding, found = model.embedded(integers)
            loss = _loss(model, teacher, standardisation(integers), found)
            if lesson is not None:
                loss = loss + settings.taught * _lesson_loss(model, lesson, told, embedding, found)
            if penalty is not None:
                loss = loss + penalty(model)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(ranges, 1.0)
            optimiser.step()
            keep_in_range(model)
            _average(means, min(settings.average, step / (step + 10)))
            step += 1
        keep_in_range(averaged)
        distance = judged(averaged)
        if distance < state.best_divergence:
            state = QatState(epoch, distance, _weights(averaged))
        on_epoch(epoch, distance)
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


def divergence(taught: Tensor, found: Tensor) -> float:
    """logits [windows, outputs] of teacher and pupil -> mean Kullback-Leibler divergence of their decisions, in nats."""
    expected = taught.log_softmax(dim=1)
    return float((expected.exp() * (expected - found.log_softmax(dim=1))).sum(dim=1).mean())


def squared_distance(taught: Tensor, found: Tensor) -> float:
    """Standardised values [windows, outputs] of teacher and pupil -> mean squared difference."""
    return float(nn.functional.mse_loss(found, taught))


@torch.no_grad()
def logits(model: QuantInd, windows: WindowTensors, batch: int = 512) -> Tensor:
    """[windows, outputs] of the quantized decoder."""
    model.eval()
    chosen = torch.arange(len(windows)).split(batch)
    return torch.cat([model(windows.batch(part)[0]) for part in chosen])


@torch.no_grad()
def lesson_distance(model: QuantInd, lesson: Lesson, windows: WindowTensors, batch: int = 512) -> float:
    """How far decisions (mean divergence, or squared difference) and embedding (mean squared difference, at the lesson's
    weight) of the quantized decoder are from what the lesson says about `windows`."""
    model.eval()
    parts = [model.embedded(windows.batch(chosen)[0]) for chosen in torch.arange(len(windows)).split(batch)]
    embedding, found = (torch.cat(column) for column in zip(*parts, strict=True))
    apart = squared_distance if model.design.model.regression else divergence
    return apart(lesson.outputs, found) + lesson.weight * float(_alignment(embedding, lesson.aligned))


def _batch(
    train: WindowTensors,
    standardisation: Standardisation,
    design: Design,
    settings: QatSettings,
    draw: torch.Generator,
    lesson: Lesson | None,
) -> tuple[Tensor, Tensor]:
    """(integer tokens of one augmented batch, what the lesson says about them: windows that are mixed mix their rows)."""
    chosen = torch.randint(len(train), (settings.batch,), generator=draw)
    tokens, _ = train.batch(chosen)
    told = tokens.new_zeros(len(chosen), 0) if lesson is None else lesson.rows()[chosen]
    changed, told = augment(standardisation(tokens), told, settings.augmentation, design, draw)
    return to_tokens(changed, standardisation, design), told


def _loss(model: QuantInd, teacher: Teacher, standardised: Tensor, found: Tensor) -> Tensor:
    """Labels stay out: the teacher's decisions on the same windows say more, and few labels would be learned by heart."""
    with torch.no_grad():
        taught = teacher(standardised)
    return _decision_loss(found, taught, model)


def _lesson_loss(model: QuantInd, lesson: Lesson, told: Tensor, embedding: Tensor, found: Tensor) -> Tensor:
    """How far the decision is from the lesson's, whatever the method that taught the float decoder, and, squared and at that
    method's weight, the embedding from where TSKD would have it."""
    outputs, aligned = lesson.parted(told)
    return _decision_loss(found, outputs, model) + lesson.weight * _alignment(embedding, aligned)


def _alignment(embedding: Tensor, aligned: Tensor) -> Tensor:
    """Mean squared distance of the embedding from `aligned`, without columns that are 0 in every window, of which a projection
    asked nothing; 0 where a lesson says nothing at all."""
    asked = aligned.any(dim=0)
    if not asked.any():
        return embedding.new_zeros(())
    found = mean_of_tokens(embedding, embedding.shape[1] // aligned.shape[1])
    return nn.functional.mse_loss(found[:, asked], aligned[:, asked])


def _decision_loss(found: Tensor, wanted: Tensor, model: QuantInd) -> Tensor:
    """Cross-entropy with the soft decision of the logits `wanted` [batch, outputs]; a regressor's mean squared error."""
    if model.design.model.regression:
        return nn.functional.mse_loss(found, wanted)
    return soft_cross_entropy(found, wanted.softmax(dim=1))


def _ranges(model: QuantInd) -> list[nn.Parameter]:
    return [value for name, value in model.named_parameters() if name.endswith("scaling_impl.value")]


def _groups(model: QuantInd, settings: QatSettings, range_step: RangeStep) -> list[dict]:
    groups: list[dict] = [{"params": [value], "lr": range_step(value, settings.range_rate)} for value in _ranges(model)]
    for name, value in model.named_parameters():
        if not name.endswith("scaling_impl.value"):
            size = float(value.detach().pow(2).mean().sqrt())
            groups.append({"params": [value], "lr": settings.learning_rate * max(size, 1e-4)})
    return groups


@torch.no_grad()
def _average(means: list[tuple[nn.Parameter, nn.Parameter]], keep: float) -> None:
    for mean, value in means:
        mean.lerp_(value, 1 - keep)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
