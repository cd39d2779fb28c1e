"""A build that starts from a trained folder: what it takes, what makes it run again, and what it refuses."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from designs.ind_int8 import IND_INT8
from designs.ind_tiny import IND_TINY
from designs.metric import Metric, write_metrics
from designs.model_hash import model_hash
from hw.flow.artifact import Kind
from hw.flow.given import Given
from hw.flow.out_folder import folder_name
from hw.flow.quantize import Quantize
from hw.flow.runner import input_hashes
from hw.flow.step import WrongInput

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    folder = tmp_path / "trained"
    folder.mkdir()
    for name in ("model.safetensors", "decoding_set.npz", "lesson.safetensors"):
        (folder / name).write_text(name)
    write_metrics(folder / "metrics.json", [Metric("accuracy__float", 0.5, "share", "higher", "made up")])
    return folder


def test_it_hands_on_what_lies_there(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "step").mkdir()
    result = Given(str(trained)).run(IND_TINY, {}, tmp_path / "step")
    assert result.files[Kind.CHECKPOINT].read_text() == "model.safetensors"
    assert result.files[Kind.DECODING_SET].read_text() == "decoding_set.npz"
    assert [metric.name for metric in result.metrics] == ["accuracy__float"]
    assert (tmp_path / "step" / "metrics.json").exists()  # the quantize step compares with it


def test_its_key_is_the_content_wherever_it_lies(trained: Path, tmp_path: Path) -> None:
    before = input_hashes(Given(str(trained)), IND_TINY, {})
    moved = trained.rename(tmp_path / "elsewhere")
    assert input_hashes(Given(str(moved)), IND_TINY, {}) == before
    (moved / "model.safetensors").write_text("other weights")
    assert input_hashes(Given(str(moved)), IND_TINY, {}) != before


def test_the_teachers_file_counts_for_quantization(trained: Path) -> None:
    lesson = trained / "lesson.safetensors"
    alone, taught = (input_hashes(Quantize(0, each), IND_TINY, {}) for each in (None, str(lesson)))
    assert alone != taught
    lesson.write_text("other words")
    assert input_hashes(Quantize(0, str(lesson)), IND_TINY, {}) != taught


def test_the_folder_of_results_says_so() -> None:
    options = {"checkpoint": "/somewhere/subject1", "teacher": "/somewhere/lesson.safetensors"}
    assert folder_name("ind_tiny", options) == "ind_tiny-subject1-taught"


@pytest.mark.parametrize("missing", ["model.safetensors", "decoding_set.npz", "metrics.json"])
def test_a_folder_that_lacks_something(trained: Path, missing: str) -> None:
    (trained / missing).unlink()
    with pytest.raises(WrongInput) as caught:
        Given(str(trained)).require(IND_TINY)
    assert str(caught.value) == (
        f"--checkpoint {trained}: has no {missing}; give a folder that models.train or models.distill wrote"
    )


def test_weights_of_another_design_are_refused_before_any_work(trained: Path) -> None:
    given, taught = Given(str(trained)), Quantize(None, str(trained / "lesson.safetensors"))
    for path, step, option in (("model", given, "checkpoint"), ("lesson", taught, "teacher")):
        with pytest.raises(WrongInput, match=rf"^--{option} .*: {path}\.safetensors is damaged \(.*\); make it again$"):
            step.require(IND_TINY)
        file = trained / f"{path}.safetensors"
        save_file({"a": np.zeros(1)}, file, {"design": "ind_int8", "model_hash": model_hash(IND_INT8)})
        step.require(replace(IND_INT8, name="of_other_widths"))
        with pytest.raises(WrongInput, match=rf"^--{option} .*: {path}\.safetensors is of design ind_int8, not of ind_tiny"):
            step.require(IND_TINY)


def test_a_file_that_is_of_no_design(trained: Path) -> None:
    save_file({"a": np.zeros(1)}, trained / "lesson.safetensors", {"format": "ind teacher 1"})
    with pytest.raises(
        WrongInput, match=r"lesson\.safetensors is nothing that models\.train or models\.distill wrote of a design"
    ):
        Quantize(None, str(trained / "lesson.safetensors")).require(IND_TINY)


def test_a_teacher_without_its_decoder_is_refused_before_any_work(trained: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hw.build", "ind_tiny", "--teacher", str(trained / "lesson.safetensors")]
    found = subprocess.run([*command, "--out", str(tmp_path / "out")], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 2 and not (tmp_path / "out").exists()
    assert "give that one's folder with --checkpoint" in " ".join(found.stderr.split())


def test_a_teacher_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"no such file; models\.distill writes one, lesson\.safetensors$"):
        Quantize(None, str(tmp_path / "lesson.safetensors")).outside(IND_TINY)


def test_a_recording_beside_a_trained_decoder_is_refused(trained: Path, tmp_path: Path) -> None:
    recording = tmp_path / "S.npz"
    recording.write_bytes(b"")
    command = [sys.executable, "-m", "hw.build", "ind_tiny", "--checkpoint", str(trained), "--recording", str(recording)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 2
    assert "leave out --recording and --task; a trained decoder brings its own windows" in " ".join(found.stderr.split())
