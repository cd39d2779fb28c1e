"""How a teacher is trained: on the offline windows alone, first without labels where it can, then with them."""

import copy
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from models.augment import augment, soft_cross_entropy, soft_targets
from models.distillation.calibration_task import OFFLINE, CalibrationTask
from models.fit import follow
from models.teachers.quality import flipped_labels
from models.teachers.registry import make_teacher
from models.teachers.teacher import Teacher, TeacherError, TeacherTask, TeacherTraining
from models.window_tensors import WindowTensors

OnStep = Callable[[str, int, int, float], None]
"""(what is being learned, step, steps, loss)."""


def teacher_task(task: CalibrationTask) -> TeacherTask:
    """What a teacher of this task reads and decides."""
    spec, model = task.design.tokenizer, task.design.model
    return TeacherTask(task.signal_shape[0], task.electrodes, task.signal_hz, spec.signal, model.outputs, model.regression)


def train_teacher(
    task: CalibrationTask,
    name: str,
    seed: int,
    *,
    training: TeacherTraining | None = None,
    weights: Path | None = None,
    on_step: OnStep = lambda what, step, steps, loss: None,
    **sizes: float,
) -> Teacher:
    """The teacher called `name`, made and trained on the offline windows under `seed` alone; the caller's random state stays.

    training: None for its own recipe; weights: a file of pre-trained ones, for teachers that take them; sizes: fields of the
    teacher's `config`. Raises TeacherError.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        teacher = make_teacher(name, teacher_task(task), spatial=_spatial(task), weights=weights, **sizes)
        training = training or teacher.training_for(teacher.task)
        if training.flipped and teacher.task.regression:
            raise TeacherError(
                f"teacher {name}: flipped={training.flipped:g} is of classes, but the recording has targets; use 0"
            )
        teacher.prepare(task.signal[OFFLINE], task.signal_standardisation)
        draw = torch.Generator().manual_seed(seed * 1_000_003 + 1)
        if training.pretrain_steps:
            _pretrain(teacher, task, training, draw, on_step)
        teacher = _supervised(teacher, task, training, draw, on_step)
    return teacher.eval()


def _spatial(task: CalibrationTask) -> Tensor | None:
    """The student's spatial filter, for channels that are standardised already."""
    return None if task.spatial is None else task.spatial * task.signal_standardisation.scale


def _pretrain(
    teacher: Teacher, task: CalibrationTask, training: TeacherTraining, draw: torch.Generator, on_step: OnStep
) -> None:
    offline = task.signal[OFFLINE]

    def loss(chosen: Tensor) -> Tensor:
        return teacher.pretraining_loss(offline.batch(chosen)[0], draw)

    def heard(step: int, value: float) -> None:
        on_step("hidden patches", step, training.pretrain_steps, value)

    _descend(teacher, len(offline), loss, training.pretrain_steps, training.pretrain_rate, training, draw, heard)


def _supervised(
    teacher: Teacher, task: CalibrationTask, training: TeacherTraining, draw: torch.Generator, on_step: OnStep
) -> Teacher:
    """`teacher` with the average of its weights over the last steps."""
    offline, outputs, regression = task.signal[OFFLINE], task.outputs, task.design.model.regression
    label = offline.label if regression else flipped_labels(offline.label, outputs, training.flipped, draw)
    targets = label if regression else soft_targets(label, outputs, training.smoothing)
    teacher.start(WindowTensors(offline.tokens, offline.rows, label))
    averaged = copy.deepcopy(teacher)

    def loss(chosen: Tensor) -> Tensor:
        signal = offline.batch(chosen)[0]
        changed, wanted = augment(signal, targets[chosen], training.augmentation, task.design, draw, signal.shape[2])
        found = teacher(changed)
        return nn.functional.mse_loss(found, wanted) if regression else soft_cross_entropy(found, wanted)

    def heard(step: int, value: float) -> None:
        follow(averaged, teacher, training.average, step)
        on_step("labels", step, training.steps, value)

    learning: nn.Module = teacher
    if training.head_only:
        teacher.eval().requires_grad_(False)
        learning = teacher.readout.requires_grad_(True)
    _descend(learning, len(offline), loss, training.steps, training.learning_rate, training, draw, heard)
    return averaged


def _descend(
    learning: nn.Module,
    windows: int,
    loss: Callable[[Tensor], Tensor],
    steps: int,
    rate: float,
    training: TeacherTraining,
    draw: torch.Generator,
    heard: Callable[[int, float], None],
) -> None:
    """`steps` of AdamW on batches of all windows in a new order each time round."""
    optimiser = torch.optim.AdamW(learning.parameters(), rate, weight_decay=training.weight_decay)
    order = torch.zeros(0, dtype=torch.int64)
    learning.train()
    for step in range(steps):
        if len(order) < min(training.batch, windows):
            order = torch.cat([order, torch.randperm(windows, generator=draw)])
        chosen, order = order[: training.batch], order[training.batch :]
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / (0.05 * steps + 1)) * 0.5 * (1 + math.cos(math.pi * step / steps))
        value = loss(chosen)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(learning.parameters(), 1.0)
        optimiser.step()
        heard(step + 1, float(value.detach()))
