"""A trained teacher on disk: safetensors, its name, task and sizes in the metadata. Never a pickle."""

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path

import torch

from models.checkpoint import CheckpointError, load_tensors, save_tensors
from models.standardise import Standardisation
from models.teachers.registry import class_of, remade
from models.teachers.teacher import Teacher, TeacherError, TeacherTask
from models.window_tensors import WindowTensors

FORMAT = "ind teacher 1"
NAMED_AT_MOST = 3
WORDS = {"rows": "samples per window", "sample_hz": "samples per second", "kind": "kind of signal"}
"""What fields of a task are called where they differ."""


def save_teacher(path: Path, teacher: Teacher, source: str, offline: str = "") -> None:
    """Write under a temporary name, then rename. source: what it was trained on; offline: `offline_digest` of its windows."""
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in teacher.state_dict().items()}
    notes = {"task": json.dumps(asdict(teacher.task)), "config": json.dumps(teacher.config), "source": source}
    notes["offline"] = offline
    save_tensors(path, tensors, {"format": FORMAT, "teacher": teacher.name} | notes)


def load_teacher(path: Path, task: TeacherTask | None = None, offline: str | None = None) -> Teacher:
    """What `save_teacher` wrote, in evaluation mode: the same embeddings to the last bit. TeacherError for anything else, and
    where it does not fit `task`, the one it is to teach, or was trained on other windows than those of the digest `offline`."""
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
        if offline is not None and metadata.get("offline") != offline:
            raise TeacherError(
                f"{path}: learned from offline windows of {metadata.get('source', '?')} that are not those of this task; give "
                f"the recording, task, --fold and --most that it was trained with, or train a teacher for this one"
            )
        class_of(metadata["teacher"])
        teacher = remade(metadata["teacher"], own, json.loads(metadata["config"]))
        teacher.load_state_dict(tensors)
    except CheckpointError as error:
        raise TeacherError(str(error)) from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, TeacherError):
            raise
        raise TeacherError(f"{path}: not a whole teacher ({' '.join(str(error).split())[:120]}); train it again") from error
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values() if value.is_floating_point()):
        raise TeacherError(f"{path}: holds weights that are not finite; train it again")
    return teacher.eval()


def offline_digest(offline: WindowTensors, standardisation: Standardisation) -> str:
    """24 hex digits over what a teacher learns from: samples, ends and labels of the `offline` windows, and their scale."""
    seen = offline.rows.unique()
    ends = torch.searchsorted(seen, offline.rows[:, -1].contiguous())
    found = hashlib.sha256()
    for tensor in (offline.tokens[seen], ends, offline.label, standardisation.centre, standardisation.scale):
        found.update(f"{list(tensor.shape)} {tensor.dtype}".encode() + tensor.contiguous().numpy().tobytes())
    return found.hexdigest()[:24]


def check_fits(who: str, own: TeacherTask, task: TeacherTask) -> None:
    """TeacherError where a teacher of the task `own` cannot teach `task`: every field has to agree."""
    for each in fields(TeacherTask):
        mine, wanted = getattr(own, each.name), getattr(task, each.name)
        if mine != wanted:
            name = WORDS.get(each.name, each.name)
            said = [_listed(value) if each.name == "electrodes" else value for value in (mine, wanted)]
            raise TeacherError(
                f"{who}: was trained for {name}={said[0]}, but the student's task has {name}={said[1]}; "
                f"train a teacher on this recording, for this design where one is named (--recording and --design)"
            )


def _listed(electrodes: tuple[str, ...]) -> str:
    more = ", ..." if len(electrodes) > NAMED_AT_MOST else ""
    return f"{len(electrodes)} electrodes ({', '.join(electrodes[:NAMED_AT_MOST])}{more})"
