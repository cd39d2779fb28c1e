"""The first step: which recordings it takes, and that whatever its reader would read makes it run again."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from designs.ind_tiny import IND_TINY
from hw.flow.out_folder import folder_name
from hw.flow.runner import input_hashes
from hw.flow.step import WrongInput
from hw.flow.train import Train

ROOT = Path(__file__).resolve().parents[2]
HEADER = "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=other.eeg\nMarkerFile=cues.vmrk\n"


def keyed(recording: Path | str, task: str | None = None) -> dict[str, str]:
    return input_hashes(Train(str(recording), task), IND_TINY, {})


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(HEADER if name.endswith(".vhdr") else name)


@pytest.mark.parametrize(
    ("names", "place", "read", "beside"),
    [
        (["s.npz", "s2.npz"], "s.npz", "s.npz", "s2.npz"),
        (["s.vhdr", "other.eeg", "cues.vmrk", "s.eeg"], "s.vhdr", "cues.vmrk", "s.eeg"),
        (["sub1_comp.mat", "sub1_testlabels.mat", "sub2_comp.mat"], "sub1_comp.mat", "sub1_testlabels.mat", "sub2_comp.mat"),
        (["days/1.nwb", "days/2.nwb", "days/film.mp4"], "days", "days/2.nwb", "days/film.mp4"),
        (["days/1.edf", "days/2.edf", "days/sub/3.edf"], "days", "days/2.edf", "days/sub/3.edf"),
        (
            ["study/dataset_description.json", "study/sub-1/eeg/a.edf", "study/sub-1/eeg/a.tsv", "study/sub-2/eeg/a.edf"],
            *("study", "study/sub-1/eeg/a.tsv", "study/sub-2/eeg/a.edf"),
        ),
    ],
)
def test_what_is_read_makes_a_key_and_nothing_beside_it(
    tmp_path: Path, names: list[str], place: str, read: str, beside: str
) -> None:
    write(tmp_path, *names)
    first = keyed(tmp_path / place)
    (tmp_path / beside).write_text("changed")
    assert keyed(tmp_path / place) == first
    (tmp_path / read).write_text("changed")
    assert keyed(tmp_path / place) != first


def test_another_session_is_another_key_and_another_place_is_not(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder, "1.edf", "2.edf")
    first = keyed(tmp_path / "a")
    write(tmp_path / "a", "3.edf")
    assert keyed(tmp_path / "a") != first == keyed(tmp_path / "b")


def test_files_of_the_same_name_all_count(tmp_path: Path) -> None:
    write(tmp_path, "dataset_description.json", *(f"sub-1/ses-{day}/eeg/a.edf" for day in (1, 2, 3)))
    keys = [keyed(tmp_path)]
    for day in (1, 2, 3):
        (tmp_path / f"sub-1/ses-{day}/eeg/a.edf").write_text("changed")
        keys.append(keyed(tmp_path))
    assert len({json.dumps(key) for key in keys}) == 4


def test_a_set_of_moabb_is_keyed_by_its_name_and_its_subject() -> None:
    keys = [keyed("moabb:BNCI2014_001", "1"), keyed("moabb:BNCI2014_001", "2"), keyed("moabb:BNCI2014_004", "1")]
    assert len({json.dumps(key) for key in keys}) == 3
    assert json.dumps(input_hashes(Train(None, "1"), IND_TINY, {})) not in map(json.dumps, keys)


@pytest.mark.parametrize(
    ("prepare", "line"),
    [
        (lambda folder: None, "{0}/s.vhdr: no such recording; give a file, a folder or moabb:NAME"),
        (
            lambda folder: (folder / "s.vhdr").write_text(HEADER.replace("cues", "../cues")),
            "s.vhdr: MarkerFile=../cues.vmrk names another folder; put the file beside the header",
        ),
    ],
)
def test_a_recording_that_cannot_be_told_is_refused_before_the_first_step(
    tmp_path: Path, prepare: Callable[[Path], object], line: str
) -> None:
    prepare(tmp_path)
    with pytest.raises(WrongInput) as caught:
        Train(str(tmp_path / "s.vhdr")).require(IND_TINY)
    assert str(caught.value) == line.format(tmp_path)


def test_a_file_that_may_not_be_read_is_refused_before_the_first_step(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path, "1.edf", "2.edf")
    monkeypatch.setattr("os.access", lambda path, mode: path.name != "2.edf")
    with pytest.raises(WrongInput, match=rf"^{tmp_path}: 2\.edf cannot be read; change its permissions$"):
        Train(str(tmp_path)).require(IND_TINY)


def test_a_folder_is_named_after_its_recording_and_task() -> None:
    named = folder_name("ind_tiny", {"recording": "moabb:BNCI2014_001", "task": "1"})
    assert named == "ind_tiny-BNCI2014_001-1"
    assert folder_name("ind_tiny", {"recording": "/data/study", "task": "01/left+right@4"}) == "ind_tiny-study-01_left+right@4"


def build(*arguments: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "hw.build", "ind_tiny", "--until", "train", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def write_session(path: Path, seed: int) -> None:
    """BrainVision: 4 channels at 600 Hz, 24 cues of 4 kinds, each lasting 1 s."""
    rng, step = np.random.default_rng(seed), 1200
    samples = rng.integers(-900, 900, (26 * step, 4)).astype("<i2")
    path.with_suffix(".eeg").write_bytes(samples.tobytes())
    channels = "".join(f"Ch{i + 1}=E{i + 1},,0.1,uV\n" for i in range(4))
    path.write_text(
        f"Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile={path.stem}.eeg\n"
        f"MarkerFile={path.stem}.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=4\n"
        f"SamplingInterval={1e6 / 600}\n[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\n{channels}"
    )
    cues = "".join(f"Mk{i + 1}=Comment,cue{i % 4},{(i + 1) * step},600,0\n" for i in range(24))
    path.with_suffix(".vmrk").write_text(
        f"Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile={path.stem}.eeg\n"
        f"[Marker Infos]\n{cues}"
    )


@pytest.mark.train
def test_a_build_takes_a_folder_of_sessions_and_its_task_behind_the_place(tmp_path: Path) -> None:
    days = tmp_path / "days [1]"
    days.mkdir()
    for day in (1, 2, 3):
        write_session(days / f"{day}.vhdr", day)
    task, out = "cue0+cue1+cue2+cue3@1", tmp_path / "out"
    for again, arguments in (("done", [f"{days}#{task}"]), ("kept", [days, "--task", task])):
        done = build("--recording", *arguments, "--out", out)
        assert done.returncode == 0, done.stderr
        assert f"{again}  train" in done.stderr
    markers = days / "2.vmrk"
    markers.write_text(markers.read_text().replace("cue3", "cue2"))
    assert "done  train" in build("--recording", f"{days}#{task}", "--out", out).stderr
    with np.load(out / "train/decoding_set.npz") as found:
        assert len(found["stream_start"]) == 3


def test_several_tasks_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_text("")
    for text, one in ((f"{tmp_path}/s.npz#all", "TASK"), (f"{tmp_path}/s.npz#left,right", "left")):
        done = build("--recording", text, "--out", tmp_path / "out")
        line = f"{text}: is one recording per task; give one, such as {tmp_path}/s.npz#{one}\n"
        assert (done.returncode, done.stderr) == (2, line)
        assert not (tmp_path / "out").exists()
