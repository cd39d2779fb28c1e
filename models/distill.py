"""A teacher and a few trials of a new session -> a trained float decoder: `python -m models.distill eeg_int4 ...`."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from designs.catalogue import find_design
from designs.metric import Metric, MetricError, write_metrics
from designs.schema import Design, DesignError
from models.checkpoint import CheckpointError, save_checkpoint
from models.datasets.catalogue import recording_for
from models.distillation.calibration_folds import calibration_folds
from models.distillation.calibration_task import CALIBRATION, OFFLINE, TEST, CalibrationTask, calibration_task
from models.distillation.distil import Lessons, distil
from models.distillation.ind_student import IndStudent
from models.distillation.lesson import Lesson
from models.distillation.method import Method
from models.distillation.projections import Projection
from models.distillation.registry import METHODS, DistillationError, find_method
from models.distillation.students import student
from models.distillation.teaching import Teaching
from models.distillation.tskd import Tskd
from models.distillation.tsr import tsr_of
from models.fit import FitSettings
from models.ind_benchmark import design_for
from models.recipes import calibration_recipe
from models.recording import Recording, RecordingError, RecordingWarning
from models.scores import scores
from models.teachers.teacher import Teacher, TeacherError
from models.teachers.teacher_file import load_teacher, offline_digest
from models.teachers.training import teacher_task
from models.train import CHECKPOINT, DECODING_SET, METRICS, STATE, Trained, bound_threads, fill_in, forget, measure

LESSON, TEACHER = "lesson.safetensors", "teacher.safetensors"
DRAWN = "--"


def chosen_recording(design: str, recording: str | None) -> tuple[Recording, Design]:
    """What `recording` names, or the generated one of a named design; and the design, `--` for one drawn for the recording."""
    if design != DRAWN:
        found = find_design(design)
        return recording_for(found, recording, None, seed=0), found
    if recording is None:
        raise RecordingError("no design is named and no recording given to draw one for; give one of them")
    read = recording_for(find_design("ind_tiny"), recording, None, seed=0)
    return read, design_for(read)


def chosen_teacher(place: Path, task: CalibrationTask) -> Teacher:
    """The teacher at `place`, a file or the folder of models.train_teacher. TeacherError where it does not fit `task`."""
    digest = offline_digest(task.signal[OFFLINE], task.signal_standardisation)
    return load_teacher(place / TEACHER if place.is_dir() else place, teacher_task(task), digest)


def task_of(recording: Recording, design: Design, shots: int, most: int | None, fold: int) -> CalibrationTask:
    """The windows of one fold. RecordingError where there is no such fold."""
    found = calibration_folds(recording, shots, most)
    if not 0 <= fold < len(found):
        raise RecordingError(f"{recording.source}: has no fold {fold}; use 0 to {len(found) - 1}")
    return calibration_task(found[fold], design)


def distil_ind(
    task: CalibrationTask,
    teacher: Teacher,
    method: str,
    settings: FitSettings,
    *,
    weight: float | None = None,
    state_path: Path | None = None,
    on_epoch: Callable[[int, float, float], None] = lambda epoch, train_loss, validation_loss: None,
) -> tuple[Method, IndStudent, dict[str, Teaching]]:
    """(the method, the student that it trained on the calibration windows, what the teacher says about every part)."""
    taught = {part: teacher.teach(windows) for part, windows in task.signal.items()}
    torch.manual_seed(settings.seed)
    pupil = student("ind", task.design)
    assert isinstance(pupil, IndStudent)
    lessons = Lessons(task.student[CALIBRATION], taught[CALIBRATION], shown(taught))
    found = distil(pupil, method, lessons, task.design, settings, weight=weight, state_path=state_path, on_epoch=on_epoch)
    fill_in(pupil.ind, task.spatial, task.targets)
    return found, pupil, taught


def shown(taught: dict[str, Teaching]) -> Teaching:
    """What projections may be fitted on: offline and calibration windows, never those that test."""
    one = taught[CALIBRATION]
    return Teaching(torch.cat([taught[OFFLINE].embedding, one.embedding]), one.weight, one.bias)


def lesson_of(method: Method, taught: Teaching) -> Lesson:
    """What quantization is to be told about the calibration windows: under TSKD also where the embedding should be."""
    aligned = method.projected(taught.embedding) if isinstance(method, Tskd) else taught.embedding[:, :0]
    return Lesson(taught.logits, aligned, method.weight)


def as_trained(task: CalibrationTask, pupil: IndStudent, epochs: int) -> Trained:
    """As models.train would have left it: every calibration window trained, validation's are the same trials."""
    parts = {"train": task.student[CALIBRATION], "validation": task.student[CALIBRATION], "test": task.student[TEST]}
    return Trained(pupil.ind, task.standardisation, parts, None, epochs, True)


def teacher_metrics(task: CalibrationTask, teacher: Teacher, method: Method, taught: dict[str, Teaching]) -> list[Metric]:
    """How good the teacher is on the same test windows, how large, and how much of its decisions a projection keeps."""
    wanted, said = task.student[TEST].label.numpy(), taught[TEST].logits.numpy()
    origin = f"teacher {teacher.name}, {len(wanted)} test windows of {task.found.source}"
    found = scores(wanted, said if task.targets else said.argmax(axis=1), "teacher", origin)
    size = sum(value.numel() for value in teacher.parameters())
    found.append(Metric("parameters__teacher", size, "count", "none", f"teacher {teacher.name}"))
    found.append(Metric("calibration__trials", task.trials, "count", "none", "cues, or shots of behaviour"))
    if isinstance(method, Tskd):
        projection = Projection(method.projection.double(), method.centre.double())
        kept = tsr_of(projection, shown(taught), regression=method.regression)  # few windows alone would hide what it loses
        note = "task-specific ratio of TSKD's projection, offline and calibration windows"
        found.append(Metric("tsr", kept, "share", "higher", note))
    return found


def run(
    task: CalibrationTask,
    teacher: Teacher,
    method: str,
    settings: FitSettings,
    out: Path,
    progress: Progress,
    weight: float | None = None,
) -> list[Metric]:
    """Everything the command does with a teacher: files of `out` are complete or absent, and its metrics are returned."""
    begin, design = time.monotonic(), task.design
    out.mkdir(parents=True, exist_ok=True)
    task.found.save(out / DECODING_SET)
    bar = progress.add_task(f"distilling {design.name}, {method}", total=settings.epochs, loss="")

    def on_epoch(epoch: int, loss: float, _validation: float) -> None:
        progress.update(bar, completed=epoch, loss=f"loss {loss:.3f}")
        if not progress.console.is_terminal:  # bars move on terminals alone
            progress.console.print(f"epoch {epoch}: loss {loss:.3f}")

    found, pupil, taught = distil_ind(task, teacher, method, settings, weight=weight, state_path=out / STATE, on_epoch=on_epoch)
    notes = {"source": str(task.found.source), "method": method, "teacher": teacher.name}
    save_checkpoint(out / CHECKPOINT, design, pupil.ind, task.standardisation, trained_on="train and validation", **notes)
    lesson = lesson_of(found, taught[CALIBRATION])
    lesson.save(out / LESSON, design, task.found, out / CHECKPOINT, method=method, teacher=teacher.name)
    metrics = measure(as_trained(task, pupil, settings.epochs), task.found, design, time.monotonic() - begin)
    metrics += teacher_metrics(task, teacher, found, taught)
    write_metrics(out / METRICS, metrics)
    forget(out)
    return metrics


def command(
    teacher: Annotated[Path, typer.Option(help="folder or file that models.train_teacher wrote for this recording")],
    out: Annotated[Path, typer.Option(help="folder for model.safetensors, decoding_set.npz, lesson.safetensors, metrics.json")],
    design: Annotated[
        str, typer.Argument(help="name of a design, such as eeg_int4; -- (left out): one is drawn for the recording")
    ] = DRAWN,
    recording: Annotated[
        str | None, typer.Option(help="FILE, FOLDER or moabb:NAME, #TASK behind it; default: the design's generated one")
    ] = None,
    method: Annotated[str, typer.Option(help=", ".join(METHODS))] = "tskd",
    shots: Annotated[int, typer.Option(min=1, help="calibration trials per class, or stretches of 4 s of behaviour")] = 5,
    most: Annotated[
        int | None,
        typer.Option(
            help="largest number of shots that are compared: what lies behind it tests; that of --teacher; default: --shots"
        ),
    ] = None,
    fold: Annotated[int, typer.Option(help="which new session, from 0")] = 0,
    weight: Annotated[
        float | None, typer.Option(min=0, help="of what the method adds to the task loss; default: the method's own")
    ] = None,
    seed: Annotated[int, typer.Option(help="seed of weights, batches and augmentation")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="forget an interrupted training instead of going on from it")] = False,
) -> None:
    """Calibrate the float decoder of DESIGN on a few trials of a new session, under a teacher of the sessions before.

    Examples: python -m models.distill ind_tiny --teacher out/teacher --method tskd --shots 5 --out out/taught; python -m
    models.distill --recording S01.npz --teacher out/teacher --out out/taught. Behind it: python -m quant.train_qat DESIGN
    --train out/taught --teacher out/taught/lesson.safetensors --out out/quantized, or python -m hw.build DESIGN --checkpoint
    out/taught --teacher out/taught/lesson.safetensors. After Ctrl-C the same command goes on from the last whole epoch.
    """
    console = Console(stderr=True, markup=False, emoji=False)
    warnings.showwarning = lambda message, *_args, **_kw: console.print(f"warning: {message}", highlight=False, soft_wrap=True)
    warnings.simplefilter("always", RecordingWarning)
    bound_threads()
    torch.set_num_threads(1)  # layers this small only wait for each other on several threads
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
    try:
        find_method(method)
        if fresh:
            forget(out)
        with Progress(
            *columns, TextColumn("{task.fields[loss]}", markup=False), TimeElapsedColumn(), console=console
        ) as progress:
            read, found = chosen_recording(design, recording)
            task = task_of(read, found, shots, most, fold)
            settings = calibration_recipe(found, seed)
            metrics = run(task, chosen_teacher(teacher, task), method, settings, out, progress, weight)
    except (DesignError, RecordingError, DistillationError, TeacherError, CheckpointError, MetricError, OSError) as error:
        console.print(f"models.distill: {' '.join(str(error).split())}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interrupt:
        kept = "the same command goes on from the last whole epoch" if (out / STATE).exists() else "nothing was trained yet"
        console.print(f"models.distill: interrupted; {kept}", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from interrupt
    print(f"{task.found.source}: {task.trials} trials or stretches calibrated, {len(task.student[TEST])} windows tested")
    for metric in metrics:
        print(f"{metric.name:22} {np.round(metric.value, 4):>12} {metric.unit}")


if __name__ == "__main__":
    typer.run(command)
