"""A trained teacher on disk: safetensors, its name, task and sizes in the metadata. Never a pickle."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import torch

from models.checkpoint import CheckpointError, load_tensors, save_tensors
from models.teachers.registry import class_of, remade
from models.teachers.teacher import Teacher, TeacherError, TeacherTask

FORMAT = "ind teacher 1"
NAMED_AT_MOST = 3


def save_teacher(path: Path, teacher: Teacher, source: str) -> None:
    """Write under a temporary name, then rename. source: what it was trained on."""
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in teacher.state_dict().items()}
    notes = {"task": json.dumps(asdict(teacher.task)), "config": json.dumps(teacher.config), "source": source}
    save_tensors(path, tensors, {"format": FORMAT, "teacher": teacher.name} | notes)


def load_teacher(path: Path, task: TeacherTask | None = None) -> Teacher:
    """What `save_teacher` wrote, in evaluation mode: the same embeddings to the last bit. TeacherError for anything else, and
    where it does not fit `task`, the one it is to teach."""
    if not path.is_file():
        raise TeacherError(f"{path}: no such teacher; train it with python -m models.train_teacher")
    try:
        tensors, metadata = load_tensors(path)
        if metadata.get("format") != FORMAT:
            raise TeacherError(f"{path}: holds no teacher of this project; train one with python -m models.train_teacher")
        written = json.loads(metadata["task"])
        own = TeacherTask(**(written | {"electrodes": tuple(written["electrodes"])}))
        if task is not None:
            check_fits(str(path), own, task)
        class_of(metadata["teacher"])
        teacher = remade(metadata["teacher"], own, json.loads(metadata["config"]))
        teacher.load_state_dict(tensors)
    except (CheckpointError, KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, TeacherError):
            raise
        raise TeacherError(f"{path}: not a whole teacher ({' '.join(str(error).split())[:120]}); train it again") from error
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values() if value.is_floating_point()):
        raise TeacherError(f"{path}: holds weights that are not finite; train it again")
    return teacher.eval()


def check_fits(who: str, own: TeacherTask, task: TeacherTask) -> None:
    """TeacherError where a teacher of the task `own` cannot teach `task`: every field has to agree."""
    for each in fields(TeacherTask):
        mine, wanted = getattr(own, each.name), getattr(task, each.name)
        if mine != wanted:
            said = [_listed(value) if each.name == "electrodes" else value for value in (mine, wanted)]
            raise TeacherError(
                f"{who}: was trained for {each.name}={said[0]}, but the student's task has {each.name}={said[1]}; "
                f"train a teacher on this recording"
            )


def _listed(electrodes: tuple[str, ...]) -> str:
    more = ", ..." if len(electrodes) > NAMED_AT_MOST else ""
    return f"{len(electrodes)} electrodes ({', '.join(electrodes[:NAMED_AT_MOST])}{more})"
