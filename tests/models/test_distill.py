"""`python -m models.distill`: from a teacher and a few trials to what quantization and hw.build take."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import typer
from made_recordings import rhythms
from typer.testing import CliRunner

from designs.decoding_set import DecodingSet
from designs.ind_tiny import IND_TINY
from models import distill
from models.checkpoint import load_checkpoint, load_tensors
from models.distillation.calibration_task import CALIBRATION, OFFLINE, TEST
from models.distillation.lesson import load_lesson
from models.distillation.projections import Projection
from models.distillation.students import student
from models.distillation.teaching import Teaching
from models.distillation.tskd import with_projection
from models.distillation.tsr import tsr_of
from models.fit import FitSettings, predict
from models.ind_benchmark import design_for
from models.recipes import calibration_recipe
from models.teachers.teacher import TeacherError, TeacherTraining
from models.teachers.teacher_file import offline_digest, save_teacher
from models.teachers.training import train_teacher
from models.window_tensors import WindowTensors, stream_tokens, window_tensors


@pytest.fixture(scope="module")
def task():
    read, design = distill.chosen_recording("ind_tiny", None)
    return distill.task_of(read, design, 5, None, 0)


@pytest.fixture(scope="module")
def teacher(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    quick = TeacherTraining(pretrain_steps=0, steps=15)
    digest = offline_digest(task.signal[OFFLINE], task.signal_standardisation)
    save_teacher(folder / "teacher.safetensors", train_teacher(task, "transformer", 0, training=quick), "generated", digest)
    return folder


@pytest.fixture(scope="module")
def cli():
    app = typer.Typer()
    app.command()(distill.command)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def taught(cli, teacher, tmp_path_factory):
    out = tmp_path_factory.mktemp("taught")
    result = cli("ind_tiny", "--teacher", teacher, "--shots", 5, "--out", out)
    assert result.exit_code == 0, result.output
    return out


def test_it_leaves_what_models_train_leaves_and_the_lesson(taught):
    found = {path.name for path in taught.iterdir()}
    assert found == {"model.safetensors", "decoding_set.npz", "metrics.json", "lesson.safetensors"}
    metrics = {metric["name"]: metric["value"] for metric in json.loads((taught / "metrics.json").read_text())}
    wanted = {"accuracy__float", "accuracy__teacher", "parameters", "macs_per_decision", "parameters__teacher", "tsr"}
    assert wanted <= set(metrics)
    assert metrics["calibration__trials"] == 20 and 0.9 < metrics["tsr"] <= 1
    _, notes = load_tensors(taught / "model.safetensors")
    assert (notes["method"], notes["teacher"], notes["trained_on"]) == ("tskd", "transformer", "train and validation")


def test_the_checkpoint_decides_on_the_decoding_set_as_the_metrics_say(taught):
    model, standardisation = load_checkpoint(taught / "model.safetensors", IND_TINY)
    found = DecodingSet.load(taught / "decoding_set.npz")
    test = window_tensors(found, stream_tokens(found, IND_TINY), "test", IND_TINY).standardised(standardisation)
    share = float((predict(model, test).argmax(dim=1) == test.label).float().mean())
    metrics = {metric["name"]: metric["value"] for metric in json.loads((taught / "metrics.json").read_text())}
    assert share == pytest.approx(metrics["accuracy__float"], abs=1e-6)


def test_the_lesson_is_the_teachers_word_on_the_training_windows(taught, teacher, task):
    found = DecodingSet.load(taught / "decoding_set.npz")
    lesson = load_lesson(taught / "lesson.safetensors", IND_TINY, found)
    said = distill.chosen_teacher(teacher, task).teach(task.signal[CALIBRATION]).logits
    assert len(found.windows_of("train")) == len(lesson.outputs)
    assert torch.allclose(lesson.outputs, said, atol=1e-5)
    assert lesson.aligned.shape == (len(said), IND_TINY.model.embed_dim)


def test_an_interrupted_training_goes_on(cli, teacher, taught, tmp_path, monkeypatch):
    def stopped(*_given, **_others):
        raise KeyboardInterrupt

    arguments = ("ind_tiny", "--teacher", teacher, "--shots", 5, "--out", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(distill, "save_checkpoint", stopped)
        result = cli(*arguments)
    assert result.exit_code == 130 and "the same command goes on from the last whole epoch" in result.output
    result = cli(*arguments)
    assert result.exit_code == 0 and "epoch 1:" not in result.output
    again, whole = (load_tensors(folder / "model.safetensors")[0] for folder in (tmp_path, taught))
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_projections_never_see_the_windows_that_test(task, teacher):
    said = {part: distill.chosen_teacher(teacher, task).teach(windows) for part, windows in task.signal.items()}
    shown = distill.shown(said)
    assert len(shown.embedding) == len(said["offline"].embedding) + len(said[CALIBRATION].embedding)
    said[TEST].embedding.fill_(float("nan"))
    assert torch.isfinite(distill.shown(said).embedding).all()


class Unnamed(torch.nn.Module):
    name = "made up"


def test_tsr_is_measured_on_more_windows_than_the_embedding_has_dimensions(task):
    draw = torch.Generator().manual_seed(0)
    weight, pupil = torch.zeros(4, 40), student("ind", IND_TINY)
    weight[:, :4] = torch.eye(4)
    offline, calibration = (Teaching(torch.randn(n, 40, generator=draw), weight, torch.zeros(4)) for n in (4000, 6))
    test = Teaching(torch.zeros(len(task.student[TEST]), 40), weight, torch.zeros(4))
    taught = {OFFLINE: offline, CALIBRATION: calibration, TEST: test}
    idle = Projection(torch.eye(40, dtype=torch.float64)[:, 4 : 4 + pupil.aligned_dim], torch.zeros(40, dtype=torch.float64))
    method = with_projection(idle)(pupil, distill.shown(taught), regression=False)
    assert tsr_of(idle, calibration, regression=False) > 0.99  # 8 columns explain 6 windows, whatever they are
    metrics = {each.name: each.value for each in distill.teacher_metrics(task, Unnamed(), method, taught)}
    assert metrics["tsr"] < 0.02


def test_a_design_is_drawn_where_none_is_named(tmp_path, monkeypatch):
    read = rhythms()
    monkeypatch.setattr(distill, "recording_for", lambda *_given, **_others: read)
    found, design = distill.chosen_recording(distill.DRAWN, "rhythms.npz")
    assert found is read and design == design_for(read)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ind_tiny", "--method", "tsdk"), "method 'tsdk' is unknown: did you mean tskd?"),
        (("ind_tiny", "--shots", 5000), "has too few cues for 5000 of each class and a test; use "),
        (("ind_tiny", "--fold", 9), "has no fold 9; use 0 to 0"),
        ((), "no design is named and no recording given to draw one for; give one of them"),
    ],
)
def test_refusals(cli, teacher, tmp_path, arguments, message):
    result = cli(*arguments, "--teacher", teacher, "--out", tmp_path)
    assert result.exit_code == 2
    lines = [line for line in result.output.splitlines() if line.startswith("models.distill: ")]
    assert len(lines) == 1 and message in lines[0]


def test_a_teacher_of_another_task(teacher):
    read = rhythms()
    task = distill.task_of(read, design_for(read), 3, None, 0)
    with pytest.raises(
        TeacherError,
        match=r"was trained for samples per window=384, but the student's task has samples per window=.*; train a teacher on",
    ):
        distill.chosen_teacher(teacher, task)


def test_a_teacher_of_other_offline_windows(task, teacher):
    offline = task.signal[OFFLINE]
    fewer = WindowTensors(offline.tokens, offline.rows[1:], offline.label[1:])
    subject = WindowTensors(offline.tokens + 1, offline.rows, offline.label)
    said = "learned from offline windows of generated that are not those of this task; give the recording, task, --fold"
    for other in (fewer, subject):
        with pytest.raises(TeacherError, match=said):
            distill.chosen_teacher(teacher, replace(task, signal=task.signal | {OFFLINE: other}))
    hidden = torch.full_like(offline.tokens, 7.0)
    seen = offline.rows.unique()
    hidden[seen] = offline.tokens[seen]
    same = WindowTensors(hidden, offline.rows, offline.label)  # what no offline window sees does not count
    assert distill.chosen_teacher(teacher, replace(task, signal=task.signal | {OFFLINE: same})).name == "transformer"


def test_no_teacher(cli, tmp_path):
    result = cli("ind_tiny", "--teacher", tmp_path / "none.safetensors", "--out", tmp_path)
    assert result.exit_code == 2 and "no such teacher; train it with python -m models.train_teacher" in result.output


def test_the_recipe_chooses_no_epoch_by_validation():
    found = calibration_recipe(IND_TINY, seed=4)
    assert isinstance(found, FitSettings) and not found.judged and found.seed == 4
    assert np.isclose(found.patterns, 2 / 3)
