"""One fold of a study: its windows, its teachers, trained once and kept, and the students trained in it."""

import copy
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from designs.schema import Design
from models.distill import shown
from models.distillation.calibration_folds import CalibrationFold
from models.distillation.calibration_task import CALIBRATION, OFFLINE, CalibrationTask, calibration_task
from models.distillation.distil import Lessons, distil
from models.distillation.method import Method
from models.distillation.registry import find_method
from models.distillation.student import Student
from models.distillation.students import student
from models.distillation.teaching import Teaching
from models.distillation.tskd import with_projection
from models.ind_benchmark import design_for
from models.recipes import calibration_recipe
from models.source_closure import closure_digest
from models.study.projections import named_projection
from models.study.variant import FINE_TUNED, OFFLINE_ONLY, POOLED, Variant
from models.teachers.quality import with_temperature
from models.teachers.registry import class_of, teacher_of_recording
from models.teachers.teacher import Teacher, TeacherError
from models.teachers.teacher_file import load_teacher, offline_digest, save_teacher
from models.teachers.training import teacher_task, train_teacher
from models.window_tensors import WindowTensors


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
    begun: dict[str, tuple[Student, Method]] = field(default_factory=dict)

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

    def uncalibrated(self, name: str) -> tuple[Student, Method]:
        """The student `name`, trained on the offline windows by labels alone; once, and the caller's to train on."""
        if name not in self.begun:
            torch.manual_seed(self.seed)
            pupil = student(name, self.design)
            windows = self.task.read(pupil.reads)[OFFLINE]
            unheard = _nothing(windows, self.design)
            recipe = calibration_recipe(self.design, self.seed)
            self.begun[name] = pupil, distil(pupil, "none", Lessons(windows, unheard, unheard), self.design, recipe)
        return copy.deepcopy(self.begun[name])


def classroom(fold: CalibrationFold, seed: int, folder: Path) -> Classroom:
    """The windows of `fold`, for the design that its recording gets."""
    design = design_for(fold.recording)
    return Classroom(fold, design, seed, folder, calibration_task(fold, design))


def trained(room: Classroom, variant: Variant) -> tuple[Student, Method]:
    """The student under its method, by the one recipe of all."""
    task, seed = room.task, room.seed
    if begun := variant.trained_on in (FINE_TUNED, OFFLINE_ONLY):
        pupil, taught_by = room.uncalibrated(variant.student)
        if variant.trained_on == OFFLINE_ONLY:
            return pupil.eval(), taught_by
    else:
        torch.manual_seed(seed)
        pupil = student(variant.student, room.design)
    recipe = calibration_recipe(room.design, seed)
    lessons = _lessons(room, variant, task.read(pupil.reads))
    method: str | type[Method] = find_method(variant.method)
    if variant.projection:
        label = torch.cat([task.student[OFFLINE].label, task.student[CALIBRATION].label])
        regression = room.design.model.regression
        found = named_projection(variant.projection, lessons.shown, label, pupil.aligned_dim, seed, regression=regression)
        method = with_projection(found)
    trained_by = distil(pupil, method, lessons, room.design, recipe, weight=variant.weight, begun=begun)
    return pupil.eval(), trained_by


def _lessons(room: Classroom, variant: Variant, read: dict[str, WindowTensors]) -> Lessons:
    """What the variant trains on, and what its teacher says of it. Without a teacher its place is taken by an embedding that
    says nothing."""
    if variant.method == "none":
        taught = {part: _nothing(windows, room.design) for part, windows in read.items()}
    else:
        taught = room.teaching(variant)
    every = shown(taught)
    if variant.trained_on == POOLED:
        return Lessons(_joined(read[OFFLINE], read[CALIBRATION]), every, every)
    return Lessons(read[CALIBRATION], taught[CALIBRATION], every)


def _joined(one: WindowTensors, other: WindowTensors) -> WindowTensors:
    """The windows of both, one after the other."""
    rows = torch.cat([one.rows, other.rows + len(one.tokens)])
    return WindowTensors(torch.cat([one.tokens, other.tokens]), rows, torch.cat([one.label, other.label]))


def _nothing(windows: WindowTensors, design: Design) -> Teaching:
    outputs = design.model.outputs
    return Teaching(torch.zeros(len(windows), 1), torch.zeros(outputs, 1), torch.zeros(outputs))


def _teacher(task: CalibrationTask, flipped: float, seed: int, folder: Path) -> Teacher:
    digest = offline_digest(task.signal[OFFLINE], task.signal_standardisation)
    made = closure_digest("models.teachers.training")  # the design's tokenizer says where a teacher begins
    parts = f"{digest} {flipped} {seed} {task.design.tokenizer} {made} {torch.__version__}"
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
