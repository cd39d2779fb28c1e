"""The timing of an epoch runs on both networks and refuses in one line; how long an epoch takes is no test's matter."""

import numpy as np
from typer import Typer
from typer.testing import CliRunner

from benchmarks import epoch_time
from designs.ind_tiny import IND_TINY

APP = Typer()
APP.command()(epoch_time.command)


def test_both_networks_are_timed_on_the_same_windows(tmp_path):
    rng = np.random.default_rng(0)
    onset = np.arange(500, 39_000, 700)
    label = np.array(["a", "b", "c", "d"])[np.arange(len(onset)) % 4]
    path = tmp_path / "some.npz"
    np.savez(path, samples=rng.normal(0, 20, (40_000, 4)), sample_hz=600.0, event_sample=onset, event_label=label)
    rows = epoch_time.measure(IND_TINY, str(path), None, 1)
    assert [row[0] for row in rows] == ["IND", "EEGNet (braindecode)"]
    assert rows[0][2] == rows[1][2] > 30
    assert all(row[1] > 500 and row[3] > 0 for row in rows)


def test_an_unknown_design_or_recording_is_one_line(tmp_path):
    found = CliRunner().invoke(APP, ["ind_tiny", "--recording", str(tmp_path / "none.npz")])
    assert found.exit_code == 2
    assert found.stderr.startswith("benchmarks.epoch_time: ") and found.stderr.count("\n") == 1
    assert "no such recording; give a file, a folder or moabb:NAME" in found.stderr
    assert CliRunner().invoke(APP, ["no_design"]).exit_code == 2
