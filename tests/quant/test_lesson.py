"""The teacher that stays in the loss of quantization: its file, its term, and what refuses it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import typer
from test_train_qat import TINY, decoding_set
from typer.testing import CliRunner

from designs.decoding_set import DecodingSet
from models.checkpoint import CheckpointError, save_checkpoint
from models.distillation.lesson import Lesson, load_lesson
from models.ind import Ind
from models.metrics import accuracy
from models.standardise import Standardisation
from quant import train_qat
from quant.fine_tune import QatSettings, fine_tune, lesson_distance
from quant.integer_windows import integer_windows
from quant.quantized import calibrated, float_embedding

WIDTH = TINY.model.embed_dim


def lesson(found: DecodingSet, aligned: int = WIDTH) -> Lesson:
    """A teacher that is sure of the label."""
    label = torch.from_numpy(found.window_label[found.windows_of("train")])
    one = torch.nn.functional.one_hot(label, 4).float()
    return Lesson(6 * one, one.repeat(1, 2)[:, :aligned])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    torch.manual_seed(1)
    standardisation = Standardisation(torch.zeros(16), torch.ones(16))
    save_checkpoint(folder / "model.safetensors", TINY, Ind(TINY), standardisation)
    found = decoding_set()
    found.save(folder / "decoding_set.npz")
    lesson(found).save(folder / "lesson.safetensors", TINY, found, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def cli():
    app = typer.Typer()
    app.command()(train_qat.command)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def quantized(told: Lesson | None, weight: float = 4.0):
    found = decoding_set()
    torch.manual_seed(1)
    ind = Ind(TINY)
    windows = integer_windows(found, TINY, float_embedding(ind))
    model = calibrated(ind, windows, TINY)
    settings = QatSettings(epochs=3, taught=weight, patience=99, learning_rate=0.02)
    parts = windows.parts

    def never_the_first(_taught, _found, counted=[0]):  # noqa: B006
        counted[0] -= 1
        return float(counted[0])

    with pytest.MonkeyPatch.context() as patch:  # the last epoch is kept, whatever the float decoder says
        patch.setattr("quant.fine_tune.divergence", never_the_first)
        patch.setattr("quant.fine_tune.lesson_distance", lambda *_given: 0.0)
        fine_tune(model, ind, parts["train"], parts["validation"], windows.standardisation, settings, lesson=told)
    return model, parts["train"]


def test_a_lesson_draws_decisions_and_embedding_towards_the_teacher():
    found = decoding_set()
    told = lesson(found)
    label = found.window_label[found.windows_of("train")]
    measured = {}
    for name, each in (("none", None), ("decisions", lesson(found, aligned=0)), ("both", told)):
        model, train = quantized(each)
        with torch.no_grad():
            embedding, outputs = model.eval().embedded(train.all_tokens())
        measured[name] = accuracy(label, outputs.argmax(dim=1).numpy()), float((embedding - told.aligned).square().mean())
    assert measured["decisions"][0] > measured["none"][0] + 0.1
    assert measured["both"][1] < 0.7 * measured["decisions"][1]


def test_an_epoch_is_judged_by_the_lesson_too():
    found, heard = decoding_set(), []
    torch.manual_seed(1)
    ind = Ind(TINY)
    windows = integer_windows(found, TINY, float_embedding(ind))
    model, told, parts = calibrated(ind, windows, TINY), lesson(found), windows.parts
    before = lesson_distance(model, told, parts["train"])
    settings = QatSettings(epochs=2, taught=10.0, learning_rate=0.02)
    fine_tune(
        *(model, ind, parts["train"], parts["validation"], windows.standardisation, settings),
        on_epoch=lambda _epoch, distance: heard.append(distance),
        lesson=told,
    )
    assert heard[0] > 10 * before  # and the divergence from float
    assert lesson_distance(model, told, parts["train"]) < 0.95 * before


def test_without_weight_a_lesson_changes_nothing():
    (alone, _), (told, _) = quantized(None), quantized(lesson(decoding_set()), weight=0.0)
    for (name, value), (_, other) in zip(alone.state_dict().items(), told.state_dict().items(), strict=True):
        assert torch.equal(value, other), name


def test_quantization_is_free_too_where_a_projection_asked_nothing():
    found = decoding_set()
    torch.manual_seed(1)
    ind = Ind(TINY)
    windows = integer_windows(found, TINY, float_embedding(ind))
    model, told = calibrated(ind, windows, TINY), lesson(found)
    train = windows.parts["train"]
    half = told.aligned.clone()
    half[:, 4:] = 0
    with torch.no_grad():
        embedding, _ = model.eval().embedded(train.all_tokens())
    wanted = float((embedding[:, :4] - half[:, :4]).square().mean())
    apart = [lesson_distance(model, Lesson(told.outputs, each), train) for each in (half, half[:, :0])]
    assert apart[0] - apart[1] == pytest.approx(wanted, rel=1e-4)
    assert lesson_distance(model, Lesson(told.outputs, half, 0.25), train) - apart[1] == pytest.approx(wanted / 4, rel=1e-3)


def test_the_weight_of_a_method_goes_on_in_quantization(trained, tmp_path):
    found, path = DecodingSet.load(trained / "decoding_set.npz"), tmp_path / "lesson.safetensors"
    told = lesson(found)
    replace(told, weight=0.25).save(path, TINY, found, trained / "model.safetensors")
    assert load_lesson(path, TINY, found).weight == 0.25
    states = [quantized(replace(told, weight=weight))[0].state_dict() for weight in (0.0, 1.0)]
    assert any(not torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_what_is_embedded_is_what_the_readout_reads():
    model, train = quantized(None)
    with torch.no_grad():
        embedding, outputs = model.eval().embedded(train.all_tokens())
        found, logits = model.boundaries(train.all_tokens())
    assert torch.equal(outputs, logits) and torch.equal(embedding, found["pool"].value)


def test_the_command_takes_a_lesson_and_its_integers_stay_exact(cli, trained, tmp_path):
    told = ("--teacher", trained / "lesson.safetensors")
    for name, options in (("alone", ()), ("taught", told)):
        result = cli("ind_tiny", "--train", trained, "--out", tmp_path / name, "--epochs", 2, *options)
        assert result.exit_code == 0, result.output
    alone, taught = ((tmp_path / name / "ind_tiny.qonnx").read_bytes() for name in ("alone", "taught"))
    assert alone != taught


def test_a_lesson_comes_back_as_it_was(trained):
    found = DecodingSet.load(trained / "decoding_set.npz")
    told, read = lesson(found), load_lesson(trained / "lesson.safetensors", TINY, found)
    assert torch.equal(read.outputs, told.outputs) and torch.equal(read.aligned, told.aligned)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("missing", r"no such teacher's file; models\.distill writes one, lesson\.safetensors$"),
        ("checkpoint", r"is not what models\.distill writes about a teacher; give its lesson\.safetensors$"),
        ("damaged", r"not a readable checkpoint \(.*\); distil again$"),
        ("design", r"is for design ind_tiny, not ind_tiny as it is now; distil again$"),
        ("windows", r"speaks of other windows than the decoding set's; give the one that lies beside it$"),
        (
            "decoder",
            r"belongs to another decoder than .*model\.safetensors; give the lesson\.safetensors that lies beside that one$",
        ),
        ("endless", r"does not fit the outputs of ind_tiny; distil again$"),
    ],
)
def test_a_lesson_that_does_not_fit(broken, message, trained, tmp_path):
    found, path, design = DecodingSet.load(trained / "decoding_set.npz"), tmp_path / "lesson.safetensors", TINY
    path.write_bytes((trained / "lesson.safetensors").read_bytes())
    checkpoint = trained / "model.safetensors"
    if broken == "missing":
        path.unlink()
    if broken == "checkpoint":
        path.write_bytes((trained / "model.safetensors").read_bytes())
    if broken == "damaged":
        path.write_bytes(path.read_bytes()[:100])
    if broken == "design":
        design = replace(TINY, model=replace(TINY.model, hidden_dim=12))
    if broken == "windows":
        found = replace(found, window_token=np.where(found.window_token > 50, found.window_token - 1, found.window_token))
    if broken == "decoder":
        save_checkpoint(tmp_path / "model.safetensors", TINY, Ind(TINY), Standardisation(torch.zeros(16), torch.ones(16)))
        checkpoint = tmp_path / "model.safetensors"
    if broken == "endless":
        Lesson(lesson(found).outputs / 0, lesson(found).aligned).save(path, TINY, found, checkpoint)
    with pytest.raises(CheckpointError, match=message):
        load_lesson(path, design, found, checkpoint)
