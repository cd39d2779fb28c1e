"""Recording -> trained teacher: `python -m models.train_teacher --recording FILE#TASK --teacher transformer --out FOLDER`."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from designs.catalogue import find_design
from designs.decoding_set import DecodingSetError
from designs.metric import Metric, MetricError, write_metrics
from designs.schema import Design, DesignError
from models.baselines.network_training import network_macs
from models.datasets.catalogue import recording_for
from models.datasets.sources import read_source, read_sources
from models.distillation.calibration_folds import CalibrationFold, calibration_folds
from models.distillation.calibration_task import OFFLINE, TEST, CalibrationTask, calibration_task
from models.ind_benchmark import design_for
from models.recording import RecordingError
from models.scores import scores
from models.splits import FEW_SHOT, read_protocol
from models.teachers.registry import NAMES, class_of, teacher_of_recording
from models.teachers.teacher import Teacher, TeacherError
from models.teachers.teacher_file import offline_digest, save_teacher
from models.teachers.training import OnStep, train_teacher
from models.window_tensors import WindowTensors

TEACHER, METRICS = "teacher.safetensors", "metrics.json"


def chosen_fold(
    text: str | None, protocol: str, fold: int, design: Design | None = None, most: int | None = None
) -> CalibrationFold:
    """Fold number `fold` of the recording that `text` names, or of the one generated for `design`. Raises RecordingError.

    most: where behaviour is recorded, the largest number of shots that the teacher is to serve; None: the protocol's.
    """
    found = read_protocol(protocol)
    if found.name != FEW_SHOT:
        raise RecordingError(f"protocol {protocol!r} has no calibration; use few-shot:N, such as few-shot:5")
    if text is not None and len(read_sources(text)) != 1:
        raise RecordingError(
            f"{text}: names {len(read_sources(text))} recordings, but a teacher learns from one; name one behind #"
        )
    if text is None and design is None:
        raise RecordingError("no recording is given and no design whose generated one could stand for it; give one of them")
    read = recording_for(design, None, None, seed=0) if text is None and design else read_source(read_sources(text or "")[0])
    every = calibration_folds(read, found.shots, most)
    if fold >= len(every):
        raise RecordingError(f"fold {fold}: the recording has {len(every)} under {protocol}; use 0 to {len(every) - 1}")
    return every[fold]


def decoded(teacher: Teacher, windows: WindowTensors) -> np.ndarray:
    """int64 [windows] classes, or float32 [windows, outputs] standardised values."""
    found = teacher.teach(windows).logits
    return found.numpy() if teacher.task.regression else found.argmax(dim=1).numpy()


def measure(teacher: Teacher, task: CalibrationTask, wall_s: float) -> list[Metric]:
    """How well it decodes the new session's test windows without calibration, and what it costs."""
    test = task.signal[TEST]
    note = f"teacher {teacher.name}, {len(test)} test windows of {task.found.source}"
    learned = sum(value.numel() for value in teacher.parameters())
    macs = network_macs(teacher, test.batch(torch.zeros(1, dtype=torch.int64))[0])
    return [
        *scores(test.label.numpy(), decoded(teacher, test), "teacher", note),
        Metric("parameters", learned, "count", "lower", f"teacher {teacher.name}"),
        Metric("macs_per_decision", macs, "count", "lower", "torch.utils.flop_counter, one window"),
        Metric("teacher__embed_dim", teacher.readout.in_features, "count", "none", f"teacher {teacher.name}"),
        Metric("teacher__offline_windows", len(task.signal[OFFLINE]), "count", "none", "windows it was trained on"),
        Metric("wall_s__train_teacher", wall_s, "s", "lower", f"models.train_teacher, torch {torch.__version__}"),
    ]


def run(
    fold: CalibrationFold,
    name: str | None,
    weights: Path | None,
    seed: int,
    out: Path,
    progress: Progress,
    design: Design | None = None,
) -> list[Metric]:
    """Everything the command does: files of `out` are complete or absent, and its metrics are returned.

    design: of the student to be taught, whose windows and electrodes the teacher sees; None: drawn for the recording.
    """
    begin = time.monotonic()
    name = name or teacher_of_recording(fold.recording.kind)
    class_of(name)
    out.mkdir(parents=True, exist_ok=True)
    step = progress.add_task("recording and windows", total=1, note="")
    task = calibration_task(fold, design or design_for(fold.recording))
    progress.update(step, completed=1, note=f"{task.found.source}: {len(task.signal[OFFLINE])} offline windows")
    teacher = train_teacher(task, name, seed, weights=weights, on_step=_shown(progress))
    metrics = measure(teacher, task, time.monotonic() - begin)
    digest = offline_digest(task.signal[OFFLINE], task.signal_standardisation)
    save_teacher(out / TEACHER, teacher, str(task.found.source), digest)
    write_metrics(out / METRICS, metrics)
    return metrics


def _shown(progress: Progress) -> OnStep:
    bars: dict[str, TaskID] = {}

    def on_step(what: str, step: int, steps: int, loss: float) -> None:
        if what not in bars:
            bars[what] = progress.add_task(f"learning from {what}", total=steps, note="")
        progress.update(bars[what], completed=step, note=f"loss {loss:.3f}")
        if not progress.console.is_terminal and step % max(1, steps // 4) == 0:  # bars move on terminals alone
            progress.console.print(f"{what}: step {step} of {steps}, loss {loss:.3f}")

    return on_step


def command(
    out: Annotated[Path, typer.Option(help="folder for teacher.safetensors and metrics.json")],
    recording: Annotated[str | None, typer.Option(help="FILE, FOLDER or moabb:NAME, #TASK behind it")] = None,
    design: Annotated[
        str | None,
        typer.Option(help="the student's where it is a named one; without --recording its generated trials teach"),
    ] = None,
    teacher: Annotated[str | None, typer.Option(help=f"{', '.join(NAMES)}; default: by kind of recording")] = None,
    protocol: Annotated[
        str, typer.Option(help="few-shot:N; older sessions train, the new session's later trials test")
    ] = "few-shot:5",
    most: Annotated[
        int | None,
        typer.Option(min=1, help="largest number of shots that are compared: what lies behind it tests; default: N"),
    ] = None,
    fold: Annotated[int, typer.Option(min=0, help="which of the protocol's folds")] = 0,
    weights: Annotated[Path | None, typer.Option(help="model.safetensors of labram, eegpt or braindecode:NAME")] = None,
    seed: Annotated[int, typer.Option(help="seed of weights, batches and augmentation")] = 0,
) -> None:
    """Train a teacher on the offline sessions of a recording and test it on the new session, which it never saw.

    Examples: python -m models.train_teacher --recording dev_subjects1-6.npz#subject1 --teacher transformer --out out/teacher;
    python -m models.train_teacher --recording StevensonV2.npz#velocity --teacher ndt --protocol few-shot:20 --out out/ndt;
    python -m models.train_teacher --recording S001.npz#rest_move --teacher labram --weights model.safetensors --out out/labram.
    Exit codes: 0 good, 2 wrong use or input.
    """
    console = Console(stderr=True, markup=False, emoji=False)
    torch.set_num_threads(1)  # layers of this size gain little from more
    warnings.simplefilter("ignore")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))

    def stop(reason: str, code: int) -> Callable[[], None]:
        console.print(f"models.train_teacher: {' '.join(reason.split())}", highlight=False, soft_wrap=True)
        raise typer.Exit(code)

    try:
        with Progress(
            *columns, TextColumn("{task.fields[note]}", markup=False), TimeElapsedColumn(), console=console
        ) as progress:
            student = None if design is None else find_design(design)
            chosen = chosen_fold(recording, protocol, fold, student, most)
            metrics = run(chosen, teacher, weights, seed, out, progress, student)
    except (TeacherError, RecordingError, DesignError, DecodingSetError, MetricError, OSError) as error:
        stop(str(error), 2)
    except KeyboardInterrupt:
        stop("interrupted; training had not ended and is lost, nothing half-written was left, run the same command again", 130)
    print(metrics[0].origin)
    for metric in metrics:
        print(f"{metric.name:26} {np.round(metric.value, 4):>12} {metric.unit}")


if __name__ == "__main__":
    typer.run(command)
