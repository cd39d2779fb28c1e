"""A laboratory's own .npz with a course instead of cues: of counts, features, voltages; and what is refused."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from designs.decoding_set import DecodingSet
from models import benchmark
from models.datasets.catalogue import read_recording
from models.ind_benchmark import design_for
from models.recording import RecordingError
from models.splits import subject_folds, with_test_sessions
from models.trials import windows_of
from models.windows import decoding_set

ROOT = Path(__file__).parents[2]
RATE = {"counts": 20.0, "features": 20.0, "voltage": 200.0}


def refused(message: str):
    return pytest.raises(RecordingError, match=f"^{re.escape(message)}")


@pytest.fixture
def write(tmp_path):
    def save(name: str = "some.npz", **arrays: object) -> Path:
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    return save


def made(kind: str = "counts", channels: int = 12, seed: int = 0) -> dict[str, object]:
    """Two sessions of 45 s in which every channel follows a course of two values, the first second of it not known."""
    rng, rows = np.random.default_rng(seed), int(90 * RATE[kind])
    course = np.cumsum(rng.normal(0, 1, (rows, 2)), axis=0)
    smooth = np.ones(int(3 * RATE[kind])) / int(3 * RATE[kind])
    course -= np.stack([np.convolve(column, smooth, "same") for column in course.T], axis=1)
    drive = course @ rng.normal(0, 1, (2, channels)) / course.std()
    signal = {
        "counts": lambda: rng.poisson(np.exp(0.7 + 0.4 * np.clip(drive, -3, 3))),
        "features": lambda: 100 + 7 * drive + rng.normal(0, 1, drive.shape),
        "voltage": lambda: rng.normal(0, 20, drive.shape) * np.exp(0.3 * drive),
    }[kind]()
    targets = course.astype(np.float32)
    targets[: int(RATE[kind])] = np.nan
    return {"samples": signal, "sample_hz": RATE[kind], "kind": kind, "targets": targets, "session_start": [0, rows // 2]}


@pytest.mark.parametrize("kind", sorted(RATE))
def test_a_course_is_read_cut_into_sessions_and_learned_from(write, kind):
    arrays = made(kind)
    found = read_recording(write(**arrays))
    half = len(arrays["samples"]) // 2
    assert (found.kind, found.sample_hz, found.events, found.label_names) == (kind, RATE[kind], 0, ())
    assert [session.name for session in found.sessions] == ["session1", "session2"]
    assert np.array_equal(found.sessions[1].targets, arrays["targets"][half:])
    assert np.array_equal(found.sessions[0].targets, arrays["targets"][:half], equal_nan=True)
    assert np.array_equal(found.sessions[1].samples, arrays["samples"][half:].astype(np.float32))
    train, test = windows_of(with_test_sessions(found))
    assert train.targets.shape[1] == 2 and len(test) > 500 and np.isfinite(train.targets).all()
    windows = decoding_set(found, design_for(found))
    assert windows.label_names.tolist() == ["target1", "target2"]
    assert windows.window_target.shape[1] == 2 and np.isfinite(windows.window_target).all()


def test_a_course_of_one_session_is_tested_on_its_last_quarter(write):
    arrays = made()
    del arrays["session_start"]
    train, test = windows_of(with_test_sessions(read_recording(write(**arrays))))
    assert len(train) > 3 * len(test) - 100 > 1000


def test_names_of_targets_stay_with_them(write):
    found = read_recording(write(**made(), target_names=["vx", "vy"]))
    assert found.target_names == ("vx", "vy")
    assert decoding_set(found, design_for(found)).label_names.tolist() == ["vx", "vy"]
    other = replace(found, source="other", target_names=("vy", "vx"))
    with refused("other: has another target_names than some.npz; leave it out"):
        subject_folds([found, other])
    with refused("some.npz: session session1 has 2 targets, but 1 are named; name each one"):
        replace(found, target_names=("vx",))


def test_cues_of_counts_are_classes(write):
    arrays = made() | {"event_sample": np.arange(40, 1780, 60), "event_label": np.arange(29) % 2}
    del arrays["targets"]
    found = read_recording(write(**arrays))
    assert (found.kind, found.events, found.label_names, found.decide_s) == ("counts", 29, ("0", "1"), 1.0)
    assert found.sessions[0].targets is None


ROWS = len(made()["samples"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": np.array("spikes")}, "kind 'spikes' is unknown; use one of voltage, features, counts"),
        ({"kind": np.array(3)}, "kind is int64 [] where voltage, counts or features is needed"),
        ({"kind": np.array(["counts", "counts"])}, "kind is <U6 [2] where voltage, counts or features is needed"),
        (
            {"samples": np.full((ROWS, 12), -1)},
            "samples are counts, but some are negative; correct them, or give kind features",
        ),
        ({"scale_uv": 2.0}, "has scale_uv, but its samples are counts, no voltages; leave scale_uv out"),
        ({"targets": np.zeros(ROWS)}, f"targets is float64 [{ROWS}] where numbers [samples, outputs] are needed"),
        ({"targets": np.full((ROWS, 2), "x")}, f"targets is <U1 [{ROWS}, 2] where numbers [samples, outputs] are needed"),
        ({"targets": np.full((ROWS, 2), 1j)}, f"targets is complex128 [{ROWS}, 2] where numbers [samples, outputs] are needed"),
        (
            {"targets": np.zeros((7, 2))},
            f"targets is [7, 2] beside {ROWS} samples; give a row of one or more values for every sample, NaN where nothing",
        ),
        ({"targets": np.zeros((ROWS, 0))}, f"targets is [{ROWS}, 0] beside {ROWS} samples; give a row of one or more values"),
        ({"targets": np.full((ROWS, 2), np.inf)}, "targets hold infinite values; give NaN where nothing is known"),
        ({"targets": np.full((ROWS, 2), 1e300)}, "targets hold infinite values; give NaN where nothing is known"),
        ({"target_names": ["vx"]}, "1 target_names for 2 targets; name each one, or leave them out"),
        ({"target_names": [["vx", "vy"]]}, "2 target_names for 2 targets; name each one, or leave them out"),
        (
            {"event_sample": [3], "event_label": ["a"], "decide_s": 1.0},
            "has targets and event_sample, event_label, decide_s; give events or targets, leave the others out",
        ),
        (
            {"targets": None},
            "event_sample, event_label missing, and so are targets; models/datasets/generic.py says what a recording holds",
        ),
        (
            {"targets": None, "target_names": ["vx"], "event_sample": [3], "event_label": ["a"]},
            "1 target_names for 0 targets; name each one, or leave them out",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(write, changes, message):
    arrays = {key: value for key, value in (made() | changes).items() if value is not None}
    with refused(f"some.npz: {message}"):
        read_recording(write(**arrays))


def test_a_course_that_is_known_nowhere_is_one_line(write):
    found = read_recording(write(**made() | {"targets": np.full((ROWS, 2), np.nan)}))
    with refused("some.npz: no training window fits its sessions"):
        windows_of(with_test_sessions(found))


@pytest.mark.train
def test_the_benchmark_takes_such_a_file(write, tmp_path):
    app, out = Typer(), tmp_path / "out"
    app.command()(benchmark.command)
    path = write("made.npz", **made())
    arguments = ["--recording", str(path), "--models", "ridge,ind", "--seeds", "1", "--jobs", "1", "--out", str(out)]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.output
    rows = [line.split(",") for line in (out / "benchmark.csv").read_text().splitlines()]
    values = {row[rows[0].index("model")]: float(row[rows[0].index("mean")]) for row in rows[1:]}
    assert set(values) == {"ridge", "ind"} and min(values.values()) > 0.3


@pytest.mark.train
def test_a_build_takes_such_a_file(write, tmp_path):
    path = write("made.npz", **made(channels=96), target_names=["vx", "vy"])
    command = [sys.executable, "-m", "hw.build", "spikes_int4", "--recording", str(path), "--until", "train"]
    done = subprocess.run([*command, "--out", str(tmp_path / "out")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert DecodingSet.load(tmp_path / "out/train/decoding_set.npz").label_names.tolist() == ["vx", "vy"]
