"""Teachers: what each gives, that training is deterministic and blind to the new session, files, and every line of refusal."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from made_recordings import counts, rhythms
from safetensors.torch import load_file, save_file
from torch import nn

from models.augment import Augmentation
from models.distillation.calibration_folds import calibration_folds
from models.distillation.calibration_task import OFFLINE, TEST, CalibrationTask, calibration_task
from models.ind_benchmark import design_for
from models.metrics import accuracy, correlation
from models.teachers.braindecode_teacher import built
from models.teachers.linear_end import take_end
from models.teachers.masking import hidden_tokens
from models.teachers.pretrained import EegptTeacher, LabramTeacher
from models.teachers.quality import flipped_labels, with_temperature
from models.teachers.registry import make_teacher
from models.teachers.resampling import resampled
from models.teachers.teacher import Teacher, TeacherError, TeacherTask, TeacherTraining
from models.teachers.teacher_file import load_teacher, save_teacher
from models.teachers.training import teacher_task, train_teacher
from models.teachers.transformer import frequency_bands
from models.window_tensors import WindowTensors

VOLTAGES = TeacherTask(800, ("C3", "CZ", "C4"), 200.0, "voltage", 2, False)
SMALL = {"width": 16, "layers": 1}
FEW = TeacherTraining(pretrain_steps=2, steps=3, batch=8)
TINY_LABRAM = {"num_layers": 1, "embed_dim": 200, "num_heads": 10}
TINY_EEGPT = {"depth": 1, "embed_dim": 32, "num_heads": 2}
RECORDINGS = {"voltage": rhythms, "counts": counts, "features": lambda: counts(kind="features")}
TRAINED_HERE = {"voltage": "transformer", "counts": "ndt", "features": "ndt"}
NETWORKS = ("braindecode:EEGNet", "braindecode:Deep4Net", "braindecode:EEGConformer", "braindecode:ShallowFBCSPNet")


@cache
def task_of(kind: str) -> CalibrationTask:
    fold = calibration_folds(RECORDINGS[kind](), 2, 4)[0]
    return calibration_task(fold, design_for(fold.recording), spread=1)


def some(task: TeacherTask, windows: int = 4) -> torch.Tensor:
    return torch.randn(windows, task.rows, task.channels, generator=torch.Generator().manual_seed(1))


def embedded(teacher: Teacher, signal: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return teacher.eval().embedding(signal)


@cache
def weights_of(name: str, folder: Path, seconds: int = 5) -> Path:
    """Random weights in the published format, for longer windows than the task's and with a head of their own."""
    task = replace(VOLTAGES, rows=seconds * 200, outputs=5)
    torch.manual_seed(3)
    teacher = LabramTeacher(task, **TINY_LABRAM) if name == "labram" else EegptTeacher(task, **TINY_EEGPT)
    state = {key: value.contiguous().clone() for key, value in teacher.net.state_dict().items()}
    path = folder / f"{name}.safetensors"
    save_file(state | {"decoder.of.pretraining": torch.zeros(3)}, path)
    return path


@pytest.mark.parametrize("kind", RECORDINGS)
def test_a_teacher_trained_here_decodes_a_session_that_it_never_saw(kind):
    task = task_of(kind)
    steps, rate = (20, 5e-4) if kind == "voltage" else (150, 3e-3)
    still = Augmentation(0.0, 0.0, 0.0, 0.0)
    training = TeacherTraining(pretrain_steps=3, steps=steps, batch=16, learning_rate=rate, augmentation=still)
    teacher = train_teacher(task, TRAINED_HERE[kind], 0, training=training, **SMALL)
    test = task.signal[TEST]
    found = teacher.teach(test).logits.numpy()
    score = correlation(test.label.numpy(), found) if task.targets else accuracy(test.label.numpy(), found.argmax(axis=1))
    assert score > (0.5 if task.targets else 0.9), score


@pytest.mark.parametrize("kind", RECORDINGS)
def test_the_same_seed_gives_the_same_teacher_whatever_the_new_session_holds(kind):
    task = task_of(kind)
    hidden = dict(task.signal) | {part: task.signal[OFFLINE] for part in task.signal if part != OFFLINE}
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (
        train_teacher(each, TRAINED_HERE[kind], seed, training=FEW, **SMALL)
        for each, seed in ((task, 0), (replace(task, signal=hidden), 0), (task, 1))
    )
    assert torch.equal(torch.get_rng_state(), before)
    signal = task.signal[TEST].all_tokens()[:5]
    assert torch.equal(embedded(first, signal), embedded(second, signal))
    assert not torch.equal(embedded(first, signal), embedded(other, signal))


def test_what_is_learned_without_labels_is_the_hidden_part():
    task = task_of("counts")
    losses = []
    training = replace(FEW, pretrain_steps=60, steps=1, batch=32)
    train_teacher(
        task, "ndt", 0, training=training, **SMALL, on_step=lambda what, step, steps, loss: losses.append((what, loss))
    )
    guessed = [loss for what, loss in losses if what == "hidden patches"]
    assert len(guessed) == 60 and np.mean(guessed[-10:]) < np.mean(guessed[:10])


def test_runs_of_tokens_are_hidden_in_every_window():
    hidden = hidden_tokens(500, 20, 0.4, 2, torch.Generator().manual_seed(0))
    assert bool(hidden.any(dim=1).all())
    assert 0.3 < float(hidden.float().mean()) < 0.5
    assert torch.equal(hidden, hidden_tokens(500, 20, 0.4, 2, torch.Generator().manual_seed(0)))


def test_only_the_readout_learns_where_that_is_asked_for():
    task = task_of("voltage")
    made = make_teacher("braindecode:EEGNet", teacher_task(task))
    trained = [train_teacher(task, "braindecode:EEGNet", 0, training=replace(FEW, pretrain_steps=0, head_only=True, steps=n))
               for n in (1, 3)]  # fmt: skip
    one, two = (dict(each.net.named_parameters()) for each in trained)
    assert all(torch.equal(one[name], two[name]) for name, _ in made.net.named_parameters())
    assert not torch.equal(trained[0].readout.weight, trained[1].readout.weight)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_braindecode_is_its_embedding_and_a_linear_readout(name):
    torch.manual_seed(0)
    teacher = make_teacher(name, VOLTAGES)
    torch.manual_seed(0)
    whole = built(name.partition(":")[2], VOLTAGES, 400).eval()
    signal = some(VOLTAGES)
    with torch.no_grad():
        wanted = whole(resampled(signal.transpose(1, 2), 200.0, 100.0, (4.0, 40.0)))
        assert torch.allclose(teacher.eval()(signal), wanted, atol=1e-4)
    assert embedded(teacher, signal).shape == (4, teacher.readout.in_features)


def test_a_network_that_ends_otherwise_has_no_end_to_take():
    class Squared(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(6, 2)

        def forward(self, inputs):
            return self.last(inputs).square()

    net = Squared()
    assert take_end(net, net, torch.randn(2, 6), 2) is None
    plain = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3))
    assert take_end(plain, plain, torch.randn(2, 6), 2) is None


@pytest.mark.parametrize(("name", "sizes"), [("labram", TINY_LABRAM), ("eegpt", TINY_EEGPT)])
def test_pretrained_weights_arrive_and_the_head_is_new(name, sizes, tmp_path):
    path = weights_of(name, tmp_path)
    teacher = make_teacher(name, VOLTAGES, weights=path, **sizes)
    published, own = load_file(path), teacher.net.state_dict()
    shared = [key for key in own if key in published and own[key].shape == published[key].shape and "final_layer" not in key]
    arrived = [key for key in shared if not key.startswith(teacher.own)]
    assert len(arrived) > 15 and all(torch.equal(own[key], published[key]) for key in arrived)
    if name == "labram":
        assert torch.equal(own["temporal_embedding"], published["temporal_embedding"][:, :5])
    assert embedded(teacher, some(VOLTAGES)).shape == (4, teacher.readout.in_features)
    assert teacher.readout.out_features == 2


def conformer(folder: Path, samples: int = 400) -> Path:
    """Random weights of an EEGConformer for five classes, in the published format."""
    torch.manual_seed(3)
    net = built("EEGConformer", replace(VOLTAGES, outputs=5), samples)
    save_file({key: value.contiguous().clone() for key, value in net.state_dict().items()}, folder / "conformer.safetensors")
    return folder / "conformer.safetensors"


def test_weights_of_a_network_of_braindecode_arrive_and_the_last_layer_is_new(tmp_path):
    path = conformer(tmp_path)
    teacher = make_teacher("braindecode:EEGConformer", VOLTAGES, weights=path)
    published, own = load_file(path), teacher.net.state_dict()
    assert len(own) > 15 and all(torch.equal(value, published[key]) for key, value in own.items())
    left = [key for key in published if key not in own]
    assert left and all(key.startswith("final_layer.") for key in left)
    assert teacher.readout.out_features == 2 and embedded(teacher, some(VOLTAGES)).shape == (4, teacher.readout.in_features)
    save_teacher(tmp_path / "teacher.safetensors", teacher, "made")
    loaded = load_teacher(tmp_path / "teacher.safetensors", VOLTAGES)
    assert torch.equal(embedded(loaded, some(VOLTAGES)), embedded(teacher, some(VOLTAGES)))


def test_weights_of_a_network_for_other_windows_are_one_line(tmp_path):
    path = conformer(tmp_path, samples=500)
    with pytest.raises(TeacherError) as caught:
        make_teacher("braindecode:EEGConformer", VOLTAGES, weights=path)
    line = (
        r"^.*conformer\.safetensors: fc\.fc\.0\.weight has shape \[256, \d+\] where \[256, \d+\] is needed; give the weights of"
    )
    assert re.match(line, str(caught.value)) and "\n" not in str(caught.value)
    with pytest.raises(
        TeacherError, match=r"conformer\.safetensors: lacks \d+ of \d+ weights, .* among them; give the weights"
    ):
        make_teacher("braindecode:EEGNet", VOLTAGES, weights=path)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_pretrained_teacher_is_fine_tuned_wholly_or_at_its_head(frozen, tmp_path):
    task = task_of("voltage")
    named = replace(task, electrodes=("C3", "Cz", "C4"))
    training = TeacherTraining(steps=2, batch=4, head_only=frozen)
    teacher = train_teacher(named, "labram", 0, training=training, weights=weights_of("labram", tmp_path), **TINY_LABRAM)
    published = load_file(weights_of("labram", tmp_path))
    assert torch.equal(teacher.net.state_dict()["blocks.0.attn.qkv.weight"], published["blocks.0.attn.qkv.weight"]) == frozen


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("transformer", SMALL), ("braindecode:EEGNet", {}), ("labram", TINY_LABRAM), ("eegpt", TINY_EEGPT)],
)
def test_a_loaded_teacher_gives_the_same_embeddings(name, sizes, tmp_path):
    weights = weights_of(name, tmp_path) if name in ("labram", "eegpt") else None
    teacher = make_teacher(name, VOLTAGES, weights=weights, **sizes)
    save_teacher(tmp_path / "teacher.safetensors", teacher, "made")
    loaded = load_teacher(tmp_path / "teacher.safetensors", VOLTAGES)
    assert torch.equal(embedded(loaded, some(VOLTAGES)), embedded(teacher, some(VOLTAGES)))
    assert loaded.name == name and loaded.task == VOLTAGES


@pytest.mark.parametrize(("name", "sizes"), [("ndt", SMALL), ("gru", {"hidden": 16})])
def test_a_trained_teacher_of_counts_comes_back_from_its_file(name, sizes, tmp_path):
    task = task_of("counts")
    teacher = train_teacher(task, name, 0, training=replace(FEW, pretrain_steps=0), **sizes)
    save_teacher(tmp_path / "teacher.safetensors", teacher, "made")
    first, second = (each.teach(task.signal[TEST]) for each in (teacher, load_teacher(tmp_path / "teacher.safetensors")))
    assert torch.equal(first.embedding, second.embedding) and torch.equal(first.logits, second.logits)


def test_a_temperature_changes_certainty_and_nothing_else():
    teacher = make_teacher("transformer", VOLTAGES, **SMALL)
    before = teacher.readout.weight.clone()
    windows = WindowTensors(some(VOLTAGES).flatten(0, 1), torch.arange(3200).view(4, 800), torch.zeros(4, dtype=torch.int64))
    plain, mild = teacher.teach(windows), with_temperature(teacher, 4.0).teach(windows)
    assert torch.equal(plain.embedding, mild.embedding)
    assert torch.allclose(mild.logits, plain.logits / 4)
    assert torch.equal(teacher.readout.weight, before)
    with pytest.raises(TeacherError, match=r"^temperature 0 is not a positive number; use one such as 0\.25 or 4$"):
        with_temperature(teacher, 0)


def test_flipped_labels_are_as_many_as_asked_for_and_of_another_class():
    label = torch.arange(1000) % 3
    found = flipped_labels(label, 3, 0.3, torch.Generator().manual_seed(0))
    assert int((found != label).sum()) == 300
    assert set(found.tolist()) == {0, 1, 2}
    assert flipped_labels(label, 3, 0.0, torch.Generator()) is label
    with pytest.raises(TeacherError, match=r"^share 1\.5 of flipped labels is not within 0 to 1; correct it$"):
        flipped_labels(label, 3, 1.5, torch.Generator())


def test_a_teacher_of_flipped_labels_is_worse():
    task = task_of("voltage")
    training = TeacherTraining(steps=10, batch=16)
    test = task.signal[TEST]
    good, poor = (
        accuracy(
            test.label.numpy(),
            train_teacher(task, "transformer", 0, training=each, **SMALL).teach(test).logits.argmax(1).numpy(),
        )
        for each in (training, replace(training, flipped=1.0))
    )
    assert good > 0.9 and poor < 0.1


def test_values_have_no_classes_to_flip():
    with pytest.raises(TeacherError) as caught:
        train_teacher(task_of("counts"), "ndt", 0, training=replace(FEW, flipped=0.2), **SMALL)
    assert str(caught.value) == "teacher ndt: flipped=0.2 is of classes, but the recording has targets; use 0"


def test_resampling_keeps_a_sine_and_drops_what_lies_outside_the_band():
    time = torch.arange(400) / 200
    signal = torch.sin(2 * torch.pi * 10 * time) + torch.sin(2 * torch.pi * 60 * time)
    found = resampled(signal, 200.0, 250.0, (4.0, 40.0))
    assert torch.allclose(found, torch.sin(2 * torch.pi * 10 * torch.arange(500) / 250), atol=1e-3)


def test_bands_cover_every_frequency_once():
    bands = frequency_bands(100, 250.0)
    assert torch.allclose(bands.sum(dim=1), torch.ones(len(bands)))
    covered = (bands > 0).sum(dim=0)
    assert covered[0] == 0 and covered[1:46].eq(1).all() and covered[46:].eq(0).all()


COUNTS, TARGETS = replace(VOLTAGES, kind="counts"), replace(VOLTAGES, kind="counts", regression=True)


@pytest.mark.parametrize(
    ("name", "task", "line"),
    [
        (
            "transfomer",
            VOLTAGES,
            "teacher 'transfomer' is unknown; use transformer, ndt, gru, labram, eegpt, "
            "braindecode:EEGConformer, braindecode:...",
        ),
        ("transformer", COUNTS, "teacher transformer reads voltage, but the recording holds counts; use ndt or gru"),
        ("ndt", VOLTAGES, "teacher ndt reads counts and features, but the recording holds voltage; use transformer"),
        (
            "braindecode:EEGNot",
            VOLTAGES,
            "teacher braindecode:EEGNot is unknown: braindecode.models has no EEGNot; use EEGConformer or EEGNet",
        ),
        ("labram", VOLTAGES, "teacher labram needs pre-trained weights; give its model.safetensors with --weights"),
    ],
)
def test_a_teacher_that_cannot_be_made_is_one_line(name, task, line):
    with pytest.raises(TeacherError) as caught:
        make_teacher(name, task)
    assert str(caught.value) == line


def test_networks_that_cannot_be_built_or_end_in_no_readout_are_one_line():
    cannot = r"^teacher braindecode:TCN cannot be built for windows of 3 channels and 400 samples \(.*\); use another$"
    with pytest.raises(TeacherError, match=cannot):
        make_teacher("braindecode:TCN", VOLTAGES)
    ends = r"^teacher braindecode:ATCNet does not end in a linear readout of an embedding; use another$"
    with pytest.raises(TeacherError, match=ends):
        make_teacher("braindecode:ATCNet", VOLTAGES)


def strange(folder: Path, change) -> Path:
    path = folder / "changed.safetensors"
    found = load_file(weights_of("labram", folder))
    change(found)
    save_file(found, path)
    return path


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (
            lambda at: at / "none.safetensors",
            "{}: no such file of weights; download model.safetensors of the model and name it",
        ),
        (
            lambda at: strange(at, lambda found: found.pop("cls_token")),
            "{}: lacks 1 of 34 weights, cls_token among them; give the weights of this model",
        ),
        (
            lambda at: strange(at, lambda found: found.update(cls_token=torch.zeros(1, 1, 7))),
            "{}: cls_token has shape [1, 1, 7] where [1, 1, 200] is needed; give the weights of this model in its published "
            "size",
        ),
        (
            lambda at: strange(at, lambda found: found["cls_token"].fill_(torch.nan)),
            "{}: cls_token holds numbers that are not finite; download it again",
        ),
    ],
)
def test_weights_that_do_not_fit_are_one_line(make, line, tmp_path):
    path = make(tmp_path)
    with pytest.raises(TeacherError) as caught:
        make_teacher("labram", VOLTAGES, weights=path, **TINY_LABRAM)
    assert str(caught.value) == line.format(path)


@pytest.mark.parametrize(
    ("name", "start"), [("w.pth", "may be a pickle"), ("w.safetensors", "not a readable safetensors file")]
)
def test_a_pickle_or_a_damaged_file_is_never_read(name, start, tmp_path):
    (tmp_path / name).write_bytes(b"\x80\x04 no tensors")
    with pytest.raises(TeacherError, match=rf"{name}: {start}") as caught:
        make_teacher("labram", VOLTAGES, weights=tmp_path / name)
    assert "\n" not in str(caught.value)


def test_unknown_electrodes_are_named():
    with pytest.raises(TeacherError) as caught:
        LabramTeacher(replace(VOLTAGES, electrodes=("C3", "E1", "E2")))
    assert str(caught.value) == (
        "teacher labram does not know electrode E1, E2; rename channels to the 10-20 system, or use another teacher"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"outputs": 3}, "was trained for outputs=2, but the student's task has outputs=3"),
        ({"sample_hz": 250.0}, "was trained for samples per second=200.0, but the student's task has samples per second=250.0"),
        ({"rows": 400}, "was trained for samples per window=800, but the student's task has samples per window=400"),
        ({"regression": True}, "was trained for regression=False, but the student's task has regression=True"),
        (
            {"electrodes": ("A", "B")},
            "was trained for electrodes=3 electrodes (C3, CZ, C4), but the student's task has electrodes=2 electrodes (A, B)",
        ),
    ],
)
def test_a_teacher_that_does_not_fit_the_students_task_is_one_line(change, said, tmp_path):
    path = tmp_path / "teacher.safetensors"
    save_teacher(path, make_teacher("transformer", VOLTAGES, **SMALL), "made")
    with pytest.raises(TeacherError) as caught:
        load_teacher(path, replace(VOLTAGES, **change))
    advice = "train a teacher on this recording, for this design where one is named (--recording and --design)"
    assert str(caught.value) == f"{path}: {said}; {advice}"


def test_a_file_that_is_no_teacher_is_one_line(tmp_path):
    path = tmp_path / "teacher.safetensors"
    with pytest.raises(TeacherError, match=r"no such teacher; train it with python -m models\.train_teacher$"):
        load_teacher(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(
        TeacherError, match=r"holds no teacher of this project; train one with python -m models\.train_teacher$"
    ):
        load_teacher(path)
    path.write_bytes(b"nothing")
    with pytest.raises(TeacherError, match=r"teacher\.safetensors: not a readable checkpoint \(.*\); train it again$"):
        load_teacher(path)
