"""`python -m models.train_teacher`: what it leaves, what it prints, and how it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from made_recordings import counts, rhythms
from typer.testing import CliRunner, Result

from designs.ind_tiny import IND_TINY
from models import train_teacher as module
from models.distillation.calibration_folds import calibration_folds
from models.distillation.calibration_task import OFFLINE, calibration_task
from models.ind_benchmark import design_for
from models.teachers.teacher import TeacherTask, TeacherTraining
from models.teachers.teacher_file import load_teacher
from models.teachers.training import teacher_task
from models.teachers.transformer import TransformerTeacher

APP = typer.Typer()
APP.command()(module.command)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three sessions of rhythms as a file, and a recipe of a few steps."""
    recording = rhythms()
    starts = np.cumsum([0, *(len(each.samples) for each in recording.sessions[:-1])])
    onset = np.concatenate([each.onset + start for each, start in zip(recording.sessions, starts, strict=True)])
    label = np.concatenate([each.label for each in recording.sessions])
    samples = np.concatenate([each.samples for each in recording.sessions])
    events = {"event_sample": onset, "event_label": label, "decide_s": 4.0}
    np.savez(tmp_path / "rhythms.npz", samples=samples, sample_hz=160.0, session_start=starts, **events)

    def few(cls: type, task: TeacherTask) -> TeacherTraining:
        return TeacherTraining(pretrain_steps=2, steps=4, batch=8)

    monkeypatch.setattr(TransformerTeacher, "training_for", classmethod(few))
    return tmp_path / "rhythms.npz"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [str(each) for each in arguments])


def one_line(found: Result) -> str:
    return " ".join(found.stderr.split("models.train_teacher: ")[-1].split())


def test_it_leaves_a_teacher_that_fits_the_students_task(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = invoke("--recording", place, "--out", out)
    assert found.exit_code == 0, found.stderr
    assert "accuracy__teacher" in found.stdout and "hidden patches: step 2 of 2" in found.stderr
    metrics = {each["name"]: each["value"] for each in json.loads((out / module.METRICS).read_text())}
    assert metrics["accuracy__teacher"] > 0.9
    assert {"parameters", "macs_per_decision", "teacher__embed_dim", "wall_s__train_teacher"} <= set(metrics)
    fold = calibration_folds(module.read_source(module.read_sources(str(place))[0]), 5)[0]
    task = calibration_task(fold, design_for(fold.recording))
    digest = module.offline_digest(task.signal[OFFLINE], task.signal_standardisation)
    teacher = load_teacher(out / module.TEACHER, teacher_task(task), digest)
    assert teacher.teach(task.signal[OFFLINE]).outputs == 2
    assert sorted(path.name for path in out.iterdir()) == [module.METRICS, module.TEACHER]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--teacher", "ndt"), "teacher ndt reads counts and features, but the recording holds voltage; use transformer"),
        (("--protocol", "few-shot:12"), "has too few cues for 12 of each class and a test; use 11 or fewer"),
        (("--protocol", "given"), "protocol 'given' has no calibration; use few-shot:N, such as few-shot:5"),
        (("--fold", "1"), "fold 1: the recording has 1 under few-shot:5; use 0 to 0"),
        (("--teacher", "labram"), "teacher labram needs pre-trained weights; give its model.safetensors with --weights"),
        (
            ("--weights", "w.safetensors"),
            "teacher transformer takes no pre-trained weights; leave out --weights, or use labram, eegpt or braindecode:NAME",
        ),
    ],
)
def test_wrong_use_is_one_line_and_code_2(place: Path, tmp_path: Path, options: tuple[str, ...], line: str) -> None:
    found = invoke("--recording", place, "--out", tmp_path / "out", *options)
    assert found.exit_code == 2
    assert one_line(found).endswith(line)
    assert not (tmp_path / "out" / module.TEACHER).exists()


@pytest.mark.parametrize("most", [None, 3])
def test_a_teacher_of_behaviour_leaves_out_the_most_shots_that_it_is_to_serve(most, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "recording_for", lambda *_given, **_others: counts())
    found = module.chosen_fold(None, "few-shot:1", 0, IND_TINY, most)
    rows = sum(len(found.recording.sessions[i].samples) for i in found.sessions(found.offline))
    assert rows == 900 - (most or 1) * 80  # 4 s of 20 Hz each
    assert found.shots == 1


def test_an_interruption_says_what_is_lost(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train_teacher", interrupted)
    found = invoke("--recording", place, "--out", tmp_path / "out")
    assert found.exit_code == 130
    assert one_line(found) == (
        "interrupted; training had not ended and is lost, nothing half-written was left, run the same command again"
    )
    assert list((tmp_path / "out").iterdir()) == []
