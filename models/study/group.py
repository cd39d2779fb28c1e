"""A group of folds, worked through: teachers are trained once and kept, then every variant on every fold, each result kept."""

import hashlib
import importlib
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from designs.layer_table import bank_macs
from designs.schema import Design
from models.baselines.model import BaselineError
from models.baselines.network_training import network_macs
from models.distill import shown
from models.distillation.calibration_folds import CalibrationFold
from models.distillation.calibration_task import CALIBRATION, OFFLINE, TEST, CalibrationTask, calibration_task
from models.distillation.distil import Lessons, distil
from models.distillation.method import Method
from models.distillation.projections import Projection
from models.distillation.registry import DistillationError, find_method
from models.distillation.student import Student
from models.distillation.students import student
from models.distillation.teaching import Teaching
from models.distillation.tskd import Tskd, with_projection
from models.distillation.tsr import tsr_of
from models.fit import predict
from models.ind_benchmark import design_for
from models.metrics import accuracy, correlation, r2
from models.recipes import calibration_recipe
from models.source_closure import closure_digest
from models.study.plan import Group
from models.study.projections import named_projection
from models.study.results import Result, key_of, read_result, write_result
from models.study.variant import POOLED, TEACHER, Variant
from models.teachers.quality import with_temperature
from models.teachers.registry import class_of, teacher_of_recording
from models.teachers.teacher import Teacher, TeacherError
from models.teachers.teacher_file import load_teacher, offline_digest, save_teacher
from models.teachers.training import teacher_task, train_teacher
from models.window_tensors import WindowTensors

INTEGERS = "quant.distilled_integers"
"""Loaded by its name where a variant ends in integers, since it lies to the right of this package."""
WORST = -1.0


@dataclass
class Classroom:
    """One fold: its windows, its teachers, and what they say about every window."""

    fold: CalibrationFold
    design: Design
    seed: int
    folder: Path
    task: CalibrationTask
    teachers: dict[float, Teacher] = field(default_factory=dict)
    taught: dict[tuple[float, float], dict[str, Teaching]] = field(default_factory=dict)

    def teacher(self, flipped: float) -> Teacher:
        """Trained on the offline windows with a share of `flipped` labels, or read from where it was kept."""
        if flipped not in self.teachers:
            self.teachers[flipped] = _teacher(self.task, flipped, self.seed, self.folder)
        return self.teachers[flipped]

    def teaching(self, variant: Variant) -> dict[str, Teaching]:
        """By part, of the variant's teacher."""
        quality = (variant.temperature, variant.flipped)
        if quality not in self.taught:
            teacher = with_temperature(self.teacher(variant.flipped), variant.temperature)
            self.taught[quality] = {part: teacher.teach(windows) for part, windows in self.task.signal.items()}
        return self.taught[quality]


def classroom(fold: CalibrationFold, seed: int, folder: Path) -> Classroom:
    """The windows of `fold`, for the design that its recording gets."""
    design = design_for(fold.recording)
    return Classroom(fold, design, seed, folder, calibration_task(fold, design))


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
            room = classroom(fold, group.seed, folder)
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
        read = task.signal if pupil.reads == "signal" else task.student
        outputs = predict(pupil, read[TEST])
        parameters, macs = _size(pupil, read[TEST])
        macs += bank_macs(room.design) if pupil.reads == "tokens" else 0
        if isinstance(method, Tskd):
            found = Projection(method.projection.double(), method.centre.double())
            extras["tsr"] = tsr_of(found, shown(room.teaching(variant)), regression=method.regression)
    extras |= scores(task, outputs)
    return Result(
        row=group.row,
        subject=group.source,
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


def trained(room: Classroom, variant: Variant) -> tuple[Student, Method]:
    """The student under its method, by the one recipe of all."""
    task, seed = room.task, room.seed
    torch.manual_seed(seed)
    pupil = student(variant.student, room.design)
    windows, teaching, every = _lessons(room, variant, task.signal if pupil.reads == "signal" else task.student)
    method: str | type[Method] = find_method(variant.method)
    if variant.projection:
        label = torch.cat([task.student[OFFLINE].label, task.student[CALIBRATION].label])
        method = with_projection(named_projection(variant.projection, every, label, pupil.aligned_dim, seed))
    lessons = Lessons(windows, teaching, every)
    found = distil(pupil, method, lessons, room.design, calibration_recipe(room.design, seed))
    return pupil.eval(), found


def _lessons(room: Classroom, variant: Variant, read: dict[str, WindowTensors]) -> tuple[WindowTensors, Teaching, Teaching]:
    """(windows to train on, the teacher's view of them, and of all that projections may be fitted on). Without a teacher its
    place is taken by an embedding that says nothing."""
    if variant.method == "none":
        taught = {part: _nothing(windows, room.design) for part, windows in read.items()}
    else:
        taught = room.teaching(variant)
    every = shown(taught)
    if variant.trained_on == POOLED:
        return _joined(read[OFFLINE], read[CALIBRATION]), every, every
    return read[CALIBRATION], taught[CALIBRATION], every


def _joined(one: WindowTensors, other: WindowTensors) -> WindowTensors:
    """The windows of both, one after the other."""
    rows = torch.cat([one.rows, other.rows + len(one.tokens)])
    return WindowTensors(torch.cat([one.tokens, other.tokens]), rows, torch.cat([one.label, other.label]))


def _nothing(windows: WindowTensors, design: Design) -> Teaching:
    outputs = design.model.outputs
    return Teaching(torch.zeros(len(windows), 1), torch.zeros(outputs, 1), torch.zeros(outputs))


def measure_of(task: CalibrationTask) -> str:
    """As models.benchmark measures: accuracy, r2 of values from counts, correlation of others."""
    if not task.design.model.regression:
        return "accuracy"
    return "r2" if task.design.tokenizer.signal == "counts" else "correlation"


def scores(task: CalibrationTask, outputs: Tensor) -> dict[str, float]:
    """Every measure that the test windows allow; an R2 below WORST counts as WORST, so that one stray output does not rule a
    mean."""
    wanted = task.student[TEST].label.numpy()
    if not task.design.model.regression:
        return {"accuracy": accuracy(wanted, outputs.argmax(dim=1).numpy())}
    found = np.asarray(outputs.numpy())
    return {"r2": max(WORST, r2(wanted, found)), "correlation": correlation(wanted, found)}


def _size(net: torch.nn.Module, windows: WindowTensors) -> tuple[int, int]:
    """(learned numbers, multiply-adds of one window)."""
    one = windows.batch(torch.zeros(1, dtype=torch.int64))[0]
    return sum(value.numel() for value in net.parameters()), network_macs(net, one)


def _teacher(task: CalibrationTask, flipped: float, seed: int, folder: Path) -> Teacher:
    digest = offline_digest(task.signal[OFFLINE], task.signal_standardisation)
    parts = f"{digest} {flipped} {seed} {closure_digest('models.teachers.training')}"
    path = folder / "teachers" / f"{hashlib.sha256(parts.encode()).hexdigest()[:24]}.safetensors"
    try:
        return load_teacher(path, teacher_task(task), digest)
    except TeacherError:
        name = teacher_of_recording(task.design.tokenizer.signal)
        recipe = class_of(name).training_for(teacher_task(task))
        teacher = train_teacher(task, name, seed, training=replace(recipe, flipped=flipped))
        path.parent.mkdir(parents=True, exist_ok=True)
        save_teacher(path, teacher, str(task.found.source), digest)
        return teacher
