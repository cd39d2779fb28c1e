"""A student in training under a method: the windows it trains on, what the teacher says about them, and one recipe for all."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from designs.schema import Design
from models.augment import soft_targets
from models.distillation.ind_student import IndStudent
from models.distillation.method import Method
from models.distillation.registry import DistillationError, find_method
from models.distillation.student import Student
from models.distillation.teaching import Teaching, with_targets
from models.emphasis import feature_gains, fold_gains, with_gains
from models.fit import FitSettings, fit
from models.linear_start import start_linear
from models.window_tensors import WindowTensors


@dataclass(frozen=True)
class Lessons:
    """What a student trains on: standardised windows (as the student reads them), the teacher's view of them in the same
    order, and its view of all windows that projections may be fitted on."""

    windows: WindowTensors
    teaching: Teaching
    shown: Teaching

    def check(self, student: Student, design: Design) -> None:
        """DistillationError where student and teacher do not fit each other."""
        if self.teaching.outputs != design.model.outputs:
            raise DistillationError(
                f"the teacher decides between {self.teaching.outputs} outputs, the student's task has {design.model.outputs}; "
                f"train a teacher on this task"
            )
        if len(self.teaching.embedding) != len(self.windows):
            raise DistillationError(
                f"the teacher speaks of {len(self.teaching.embedding)} windows, the student trains on {len(self.windows)}; "
                f"let it see the same ones"
            )


def distil(
    student: Student,
    method: str | type[Method],
    lessons: Lessons,
    design: Design,
    settings: FitSettings,
    *,
    weight: float | None = None,
    begun: bool = False,
    state_path: Path | None = None,
    on_epoch: Callable[[int, float, float], None] = lambda epoch, train_loss, validation_loss: None,
) -> Method:
    """Train `student` in place, `settings.epochs` epochs, none chosen by validation; the method as it stands afterwards.

    weight: of the method's term, None: its own. begun: the student was trained before and goes on from its weights.
    Deterministic under `settings.seed` and the student's weights. With `state_path` an interrupted training goes on from its
    last whole epoch. Raises DistillationError.
    """
    lessons.check(student, design)
    kind = find_method(method) if isinstance(method, str) else method
    windows, gains = _started(student, lessons.windows, design, settings, begun)
    torch.manual_seed(settings.seed)
    found = kind(student, lessons.shown, regression=design.model.regression, weight=weight)
    supervised = _supervised(windows, lessons.teaching, design, settings)
    note = f"{found.name} {found.weight} {begun} {_digest(supervised, lessons.shown)}"
    channels = windows.tokens.shape[1] if student.reads != "tokens" else None
    fit(
        *(found, supervised, None, design, settings),
        loss=found.loss,
        channels=channels,
        stop_after=settings.epochs,
        state_path=state_path,
        note=note,
        on_epoch=on_epoch,
    )
    found.finish()
    if isinstance(student, IndStudent) and student.reads == "tokens":
        fold_gains(student.ind, gains)
    return found.eval()


def _started(
    student: Student, windows: WindowTensors, design: Design, settings: FitSettings, begun: bool
) -> tuple[WindowTensors, Tensor]:
    """(the windows as they are trained on, the gain of every feature).

    A student that was trained before reads them as it did. A choice: an IND of tokens starts as models.train starts it, its
    features with gains fitted to the labels of the calibration windows, and so does what differs from it behind the tokens,
    since there the difference is the question. What makes its own tokens of the signal has no such features, and GRU and EEGNet
    are taken as others train them.
    """
    gains = torch.ones(windows.tokens.shape[1])
    if begun or not isinstance(student, IndStudent) or student.reads != "tokens":
        return windows, gains
    if settings.start == "linear":
        start_linear(student.ind, windows)
    elif not design.model.regression:
        gains = feature_gains(windows, design)
    return with_gains(windows, gains), gains


def _supervised(windows: WindowTensors, teaching: Teaching, design: Design, settings: FitSettings) -> WindowTensors:
    """The windows, each with its target and what the teacher says about it."""
    label = windows.label
    targets = label if label.dtype.is_floating_point else soft_targets(label, design.model.outputs, settings.smoothing)
    return WindowTensors(windows.tokens, windows.rows, with_targets(targets, teaching))


def _digest(windows: WindowTensors, shown: Teaching) -> str:
    found = hashlib.sha256()
    for tensor in (windows.tokens, windows.rows, windows.label, shown.embedding, shown.weight, shown.bias):
        found.update(tensor.detach().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
