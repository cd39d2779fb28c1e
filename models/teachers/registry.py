"""Every teacher by its name."""

from pathlib import Path

from torch import Tensor

from models.teachers.braindecode_teacher import PREFIX, BraindecodeTeacher
from models.teachers.gru import GruTeacher
from models.teachers.ndt import NdtTeacher
from models.teachers.pretrained import EegptTeacher, LabramTeacher
from models.teachers.teacher import Teacher, TeacherError, TeacherTask, check_task
from models.teachers.transformer import TransformerTeacher

TEACHERS: dict[str, type[Teacher]] = {
    teacher.name: teacher for teacher in (TransformerTeacher, NdtTeacher, GruTeacher, LabramTeacher, EegptTeacher)
}
NAMES = (*TEACHERS, f"{PREFIX}EEGConformer", f"{PREFIX}...")
"""Behind PREFIX stands any model of braindecode."""


def class_of(name: str) -> type[Teacher]:
    """Raises TeacherError where there is no such teacher."""
    if name.startswith(PREFIX):
        return BraindecodeTeacher
    if name not in TEACHERS:
        raise TeacherError(f"teacher {name!r} is unknown; use {', '.join(NAMES)}")
    return TEACHERS[name]


def make_teacher(
    name: str, task: TeacherTask, *, spatial: Tensor | None = None, weights: Path | None = None, **sizes: float
) -> Teacher:
    """An untrained teacher for `task`, or one with the pre-trained `weights`. Raises TeacherError.

    spatial [mixes, channels]: where a teacher that mixes channels starts; sizes: fields of its `config`.
    """
    found = class_of(name)
    check_task(found, name, task)
    if weights is not None and not found.takes_weights:
        raise TeacherError(
            f"teacher {name} takes no pre-trained weights; leave out --weights, or use labram, eegpt or {PREFIX}NAME"
        )
    return found.made(name, task, spatial=spatial, weights=weights, **sizes)


def remade(name: str, task: TeacherTask, config: dict[str, float]) -> Teacher:
    """A teacher of the shape that was saved; its weights come behind it."""
    found = class_of(name)
    if issubclass(found, BraindecodeTeacher):
        return found(task, name.removeprefix(PREFIX))
    return found(task, **config)


def teacher_of_recording(kind: str) -> str:
    """The teacher that a recording of `kind` gets when none is named: what decoded training parts best."""
    return TransformerTeacher.name if kind == "voltage" else NdtTeacher.name
