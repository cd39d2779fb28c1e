"""A group of folds, worked through: every variant on every fold that no result is kept of."""

import importlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from designs.layer_table import bank_macs
from models.baselines.model import BaselineError
from models.baselines.network_training import network_macs
from models.distill import shown
from models.distillation.calibration_folds import CalibrationFold
from models.distillation.calibration_task import TEST, CalibrationTask
from models.distillation.projections import Projection
from models.distillation.registry import DistillationError
from models.distillation.tskd import Tskd
from models.distillation.tsr import effective_rank, tsr_of
from models.fit import predict
from models.metrics import WORST_R2, accuracy, correlation, r2
from models.recording import RecordingError
from models.study.classroom import Classroom, classroom, trained
from models.study.group import Group
from models.study.results import Result, key_of, read_result, write_result
from models.study.variant import TEACHER, Variant
from models.teachers.teacher import TeacherError
from models.window_tensors import WindowTensors

INTEGERS = "quant.distilled_integers"
"""Loaded by its name where a variant ends in integers, since it lies to the right of this package."""


def missing(group: Group, folder: Path) -> list[tuple[CalibrationFold, list[Variant]]]:
    """What no result is kept of, fold after fold."""
    found = []
    for fold, variants in zip(group.folds, group.wanted, strict=True):
        left = [variant for variant in variants if read_result(folder, key_of(fold, variant, group.seed)) is None]
        found += [(fold, left)] if left else []
    return found


def work(group: Group, folder: Path) -> Iterator[Result | str]:
    """Every missing result of `group`, kept before it is given, on one thread; where a variant cannot be had, why."""
    torch.set_num_threads(1)
    for fold, variants in missing(group, folder):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                room = classroom(fold, group.seed, folder)
            except RecordingError as error:
                yield f"{group.row}: {error}"
                continue
            for variant in variants:
                try:
                    result = computed(room, group, variant)
                except (DistillationError, TeacherError, BaselineError) as error:
                    yield f"{group.row}, {variant}: {error}"
                    continue
                write_result(folder, key_of(fold, variant, group.seed), result)
                yield result


def computed(room: Classroom, group: Group, variant: Variant) -> Result:
    """Train what `variant` says on the fold's calibration windows, and decode its test windows once."""
    task = room.task
    if variant.method != "none":
        room.teaching(variant)  # what a teacher takes is nobody's training time
    begin = time.process_time()
    extras: dict[str, float] = {}
    if variant.method == TEACHER:
        outputs = room.teaching(variant)[TEST].logits
        parameters, macs = _size(room.teacher(variant.flipped), task.signal[TEST])
    elif variant.integers:
        outputs, parameters, macs = importlib.import_module(INTEGERS).outputs_of(room, variant)
    else:
        pupil, method = trained(room, variant)
        test = task.read(pupil.reads)[TEST]
        outputs = predict(pupil, test)
        parameters, macs = _size(pupil, test)
        macs += bank_macs(room.design) if pupil.reads == "tokens" else 0
        if task.spatial is not None and pupil.reads != "signal":
            parameters, macs = parameters + task.spatial.numel(), macs + task.spatial.numel() * task.signal_shape[0]
        if isinstance(method, Tskd):
            found, every = Projection(method.projection.double(), method.centre.double()), shown(room.teaching(variant))
            extras["tsr"] = tsr_of(found, every, regression=method.regression)
            extras["rank"] = effective_rank(found(every.embedding))
    if not outputs.isfinite().all():
        raise DistillationError("its outputs are not finite, the training diverged; give its term a smaller weight")
    extras |= scores(task, outputs)
    return Result(
        row=group.row,
        subject=group.subject,
        source=room.fold.recording.source,
        shots=room.fold.shots,
        seed=room.seed,
        variant=str(variant),
        measure=measure_of(task),
        value=extras[measure_of(task)],
        every=extras,
        trials=task.trials,
        test_windows=len(task.student[TEST]),
        parameters=parameters,
        macs=macs,
        train_s=time.process_time() - begin,
    )


def measure_of(task: CalibrationTask) -> str:
    """As models.benchmark measures: accuracy, r2 of values from counts, correlation of others."""
    if not task.design.model.regression:
        return "accuracy"
    return "r2" if task.design.tokenizer.signal == "counts" else "correlation"


def scores(task: CalibrationTask, outputs: Tensor) -> dict[str, float]:
    """Every measure that the test windows allow; an R2 below WORST_R2 counts as that. log_loss: mean cross-entropy in nats,
    finer than an accuracy of few windows."""
    label = task.student[TEST].label
    wanted = label.numpy()
    if not task.design.model.regression:
        log_loss = float(torch.nn.functional.cross_entropy(outputs, label))
        return {"accuracy": accuracy(wanted, outputs.argmax(dim=1).numpy()), "log_loss": log_loss}
    found = np.asarray(outputs.numpy())
    return {"r2": max(WORST_R2, r2(wanted, found)), "correlation": correlation(wanted, found)}


def _size(net: torch.nn.Module, windows: WindowTensors) -> tuple[int, int]:
    """(learned numbers, multiply-adds of one window)."""
    one = windows.batch(torch.zeros(1, dtype=torch.int64))[0]
    return sum(value.numel() for value in net.parameters()), network_macs(net, one)
