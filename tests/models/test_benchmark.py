"""The benchmark: what it refuses, what it keeps, that it goes on where it stopped, and what its table says."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from models import benchmark, benchmark_models, source_closure
from models.benchmark import plan, results
from models.benchmark_cells import Cell, Result, read_result, result_path, write_result
from models.benchmark_models import BenchmarkError
from models.benchmark_table import markdown, table_rows
from models.datasets.sources import Source, read_sources, row_name
from models.recording import RecordingError

APP = Typer()
APP.command()(benchmark.command)


def generic(path: Path, seed: int = 0, sessions: int = 2) -> Path:
    """Two classes that differ in the power of their first channel; sessions of 20 trials."""
    rng = np.random.default_rng(seed)
    onset = np.arange(20 * sessions) * 250 + 10
    label = rng.permutation(np.arange(len(onset)) % 2)
    samples = rng.normal(0, 10, (len(onset) * 250 + 20, 3))
    for place, each in zip(onset, label, strict=True):
        samples[place : place + 200, 0] *= 1 + 3 * each
    starts = np.arange(sessions) * 20 * 250
    names = np.array(["rest", "go"])[label]
    np.savez(path, samples=samples, sample_hz=100.0, event_sample=onset, event_label=names, session_start=starts, decide_s=2.0)
    return path


def subjects(path: Path) -> Path:
    """As BCI Competition IV 2b: three subjects, four sessions of eight trials, the fourth for the test."""
    rng, count = np.random.default_rng(0), 96
    y = np.tile([0, 1], count // 2)
    trials = rng.normal(0, 100, (count, 3, 200)) * (1 + 3 * y)[:, None, None]
    session, subject = np.tile(np.repeat([1, 2, 3, 4], 8), 3), np.repeat([1, 2, 3], 32)
    fixed = {"scale_uV": 0.1, "fs": 100.0, "ch": np.array(["C3", "Cz", "C4"]), "y_names": np.array(["left", "right"])}
    np.savez(path, X=trials.astype(np.int16), y=y, session=session, subject=subject, **fixed)
    return path


def run(*arguments: object):
    return CliRunner().invoke(APP, [str(each) for each in arguments])


def read_table(folder: Path) -> list[dict[str, str]]:
    with (folder / "benchmark.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_writes_the_table_three_times_and_a_second_run_computes_nothing(tmp_path, monkeypatch):
    path, out = generic(tmp_path / "some.npz"), tmp_path / "out"
    arguments = ("--recording", path, "--models", "csp,log_band_power", "--seeds", 2, "--jobs", 2, "--out", out)
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    rows = read_table(out)
    assert [(row["recording"], row["model"], row["measure"]) for row in rows] == [
        ("some", "csp", "accuracy"),
        ("some", "log_band_power", "accuracy"),
    ]
    assert all(float(row["mean"]) > 0.9 and float(row["spread"]) == 0 and row["test_windows"] == "20" for row in rows)
    assert (out / "benchmark.md").read_text() in first.output
    assert (out / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((out / "cells").glob("*.json"))) == 2  # neither model is random: both seeds share a result

    monkeypatch.setattr(benchmark, "compute", None)
    monkeypatch.setattr(benchmark, "processes", None)
    second = run(*arguments)
    assert second.exit_code == 0
    assert read_table(out) == rows


def test_a_damaged_result_is_computed_again(tmp_path):
    cells = plan([str(generic(tmp_path / "a.npz"))], ["csp"], "given", 1)
    (found,) = results(cells, tmp_path, 1)
    result_path(tmp_path, cells[0]).write_text("{")
    assert read_result(tmp_path, cells[0]) is None
    ((_, again),) = results(cells, tmp_path, 1)
    assert (again.value, again.parameters) == (found[1].value, found[1].parameters)


def test_the_key_of_a_result_is_its_content(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    one, same = generic(tmp_path / "a.npz"), generic(tmp_path / "other" / "b.npz")
    changed = generic(tmp_path / "c.npz", seed=1)

    def key(path, model="csp", protocol="given", seeds=1):
        return [cell.key for cell in plan([str(path)], [model], protocol, seeds)]

    assert key(one) != key(changed)
    assert key(one) != key(one, model="log_band_power")
    assert key(one)[0] not in key(one, protocol="within-session")
    assert len(set(key(one, seeds=3))) == 1 and len(set(key(one, model="filter_bank_csp", seeds=3))) == 3
    assert key(one) == key(same)
    monkeypatch.setattr(source_closure, "_program", lambda path: "changed")
    source_closure.closure_digest.cache_clear()
    found = key(one)
    monkeypatch.undo()
    source_closure.closure_digest.cache_clear()
    assert found != key(one)


def test_a_closure_counts_programs_and_not_their_comments(tmp_path, monkeypatch):
    monkeypatch.setattr(source_closure, "ROOT", tmp_path)
    (tmp_path / "models").mkdir()
    near, far = tmp_path / "models" / "near.py", tmp_path / "models" / "far.py"

    def digest(near_text: str, far_text: str) -> str:
        near.write_text(near_text)
        far.write_text(far_text)
        source_closure.closure_digest.cache_clear()
        return source_closure.closure_digest("models.near")

    first = digest("from models import far\n", "A = 1\n")
    assert digest('"""Words."""\nfrom models import far  # more\n', '"""Others."""\nA = 1\n') == first
    assert digest("from models import far\n", "A = 2\n") != first
    source_closure.closure_digest.cache_clear()


def test_several_recordings_of_one_place_are_one_row(tmp_path):
    path = subjects(tmp_path / "all.npz")
    found = run("--recording", f"{path}#all", "--models", "csp", "--seeds", 1, "--jobs", 1, "--out", tmp_path / "out")
    assert found.exit_code == 0, found.output
    (row,) = read_table(tmp_path / "out")
    assert (row["recording"], row["folds"], row["test_windows"]) == ("all all", "3", "24")


def test_leave_one_subject_out_has_a_fold_per_subject(tmp_path):
    path = subjects(tmp_path / "all.npz")
    cells = plan([f"{path}#all"], ["csp"], "leave-one-subject-out", 1)
    assert [cell.fold for cell in cells] == [0, 1, 2]
    assert [len(cell.subjects) for cell in cells] == [3, 3, 3]
    apart = plan([f"{path}#subject1,subject2", f"{path}#subject3"], ["csp"], "leave-one-subject-out", 1)
    assert [cell.key for cell in apart] == [cell.key for cell in cells]
    found = [result for _, result in results(cells[:1], tmp_path, 1)]
    assert (found[0].source, found[0].train_windows, found[0].test_windows) == ("all.npz, subject1, held out", 64, 32)


def made(model: str, seed: int, fold: int, value: float) -> tuple[Cell, Result]:
    cell = Cell("row", (Source("a.npz"),), "given", fold, "content", model, "module", True, seed)
    return cell, Result("a", "accuracy", value, {"accuracy": value}, 10, 20, 100 + fold, 7, 2.0)


def test_the_spread_is_over_seeds_of_the_mean_over_folds():
    cells = [made("csp", seed, fold, value) for seed, fold, value in ((0, 0, 0.5), (0, 1, 0.7), (1, 0, 0.7), (1, 1, 0.9))]
    (row,) = table_rows(cells)
    assert (row.mean, row.spread) == (pytest.approx(0.7), pytest.approx(0.1))
    assert (row.seeds, row.folds, row.test_windows, row.parameters) == (2, 2, 20, 101)
    assert markdown([row]).splitlines()[2] == "| row | given | csp | accuracy | 0.700 | 0.100 | 20 | 101 | 7 | 2.0 |"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--models", "cps"), "model 'cps' is unknown; use log_band_power, csp, filter_bank_csp, tangent_space, eegnet, "),
        (
            ("--models", "ind_q:x"),
            "model 'ind_q:x' is no quantizer; use ind_q:METHOD:SHARED:SCALE:WIDTHS, as ind_q:lsq:per_channel:free:",
        ),
        (("--models", ","), "no model is named; use log_band_power, "),
        (("--models", "ridge"), "ridge learns targets, but the recording has classes; leave it out"),
        (("--models", "csp", "--protocol", "best"), "protocol 'best' is unknown; use one of given, within-session, "),
        (("--models", "csp", "--protocol", "few-shot:99"), "some.npz: session session2 has too few cues for 99 of each"),
    ],
)
def test_what_cannot_be_run_is_one_line_before_any_work(tmp_path, arguments, message):
    found = run("--recording", generic(tmp_path / "some.npz"), *arguments, "--out", tmp_path / "out")
    assert found.exit_code == 2
    assert found.stderr.startswith(f"models.benchmark: {message}") and found.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "cells").exists()


def test_a_place_that_is_not_there_is_one_line(tmp_path):
    found = run("--recording", tmp_path / "none.npz", "--models", "csp")
    assert found.exit_code == 2
    assert found.stderr == f"models.benchmark: {tmp_path}/none.npz: no such recording; give a file, a folder or moabb:NAME\n"


def test_a_model_whose_module_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(benchmark_models.OTHERS, "ind", "models.not_there")
    path = generic(tmp_path / "some.npz")
    with pytest.raises(
        BenchmarkError, match=r"^model ind: models.not_there cannot be loaded \(No module named .*; leave it out$"
    ):
        plan([str(path)], ["ind"], "given", 1)


def test_sources_are_written_as_a_place_and_its_tasks(tmp_path):
    path = subjects(tmp_path / "all.npz")
    assert read_sources(str(path)) == [Source(str(path))]
    assert read_sources(f"{path}#subject1,subject3") == [Source(str(path), "subject1"), Source(str(path), "subject3")]
    assert [source.task for source in read_sources(f"{path}#all")] == ["subject1", "subject2", "subject3"]
    assert row_name(f"{path}#subject1,subject3") == "all subject1 subject3"
    assert row_name("moabb:BNCI2014_001#1,2") == "BNCI2014_001 1 2"
    with pytest.raises(RecordingError, match=r"^g.npz: has no list of tasks; leave #all out$"):
        read_sources(f"{generic(tmp_path / 'g.npz')}#all")


def test_an_interrupted_run_says_so_and_goes_on_where_it_stopped(tmp_path):
    path, out = generic(tmp_path / "some.npz", sessions=4), tmp_path / "out"
    command = [sys.executable, "-W", "ignore", "-m", "models.benchmark", "--recording", str(path), "--models", "csp,eegnet"]
    command += ["--protocol", "within-session", "--seeds", "9", "--jobs", "2", "--out", str(out)]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    end = time.monotonic() + 120
    while not list((out / "cells").glob("[!.]*.json")) and time.monotonic() < end and started.poll() is None:
        time.sleep(0.1)
    os.killpg(started.pid, signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130, said
    assert said.rstrip().endswith("models.benchmark: interrupted; the same command goes on where it stopped")
    kept = [json.loads(file.read_text()) for file in (out / "cells").glob("[!.]*.json")]
    assert kept and all(re.fullmatch(r"some.npz, session\d late", each["result"]["source"]) for each in kept)
    cells = plan([str(path)], ["csp", "eegnet"], "within-session", 9)
    assert sum(read_result(out, cell) is not None for cell in cells) >= len(kept)


def test_results_of_other_seeds_do_not_overwrite_each_other(tmp_path):
    cell, result = made("gru", 0, 0, 0.5)
    other, second = made("gru", 1, 0, 0.7)
    write_result(tmp_path, cell, result)
    write_result(tmp_path, other, second)
    assert (read_result(tmp_path, cell), read_result(tmp_path, other)) == (result, second)


@pytest.mark.train
def test_the_ind_is_a_row_beside_the_baselines(tmp_path):
    cells = plan([str(generic(tmp_path / "some.npz"))], ["ind"], "given", 1)
    ((_, result),) = results(cells, tmp_path, 1)
    assert (result.measure, result.test_windows) == ("accuracy", 20)
    assert result.value > 0.8
    assert 0 < result.parameters <= 32_000 and result.macs > 0
