"""What one writes behind --recording: a place, and behind # its task; the same for every command."""

import re

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

import models.learn_centres
import models.train
from benchmarks import epoch_time
from designs.recording_place import PlaceError, Source, one_source, place_and_tasks, settled


def refused(message: str):
    return pytest.raises(PlaceError, match=f"^{re.escape(message)}$")


@pytest.fixture
def there(tmp_path, monkeypatch):
    """The current folder, with a file, a file of an odd name, a folder, and a link to the file."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.npz", "b#left.npz"):
        (tmp_path / name).write_text("")
    (tmp_path / "study").mkdir()
    (tmp_path / "link.npz").symlink_to("a.npz")
    return tmp_path


def test_a_place_may_have_tasks(there):
    assert place_and_tasks("a.npz") == ("a.npz", ())
    assert place_and_tasks("study#01/left+right@4") == ("study", ("01/left+right@4",))
    assert place_and_tasks("moabb:BNCI2014_001#1,2") == ("moabb:BNCI2014_001", ("1", "2"))
    assert place_and_tasks("a.npz#,x,") == ("a.npz", ("x",))
    assert place_and_tasks("b#left.npz") == ("b#left.npz", ())
    assert place_and_tasks("b#left.npz#x") == ("b#left.npz", ("x",))
    assert place_and_tasks("a.npz#x#y") == ("a.npz", ("x#y",))


def test_one_recording_has_its_task_in_either_place(there):
    assert one_source("a.npz") == one_source("a.npz#") == Source("a.npz")
    assert one_source("a.npz#left") == one_source("a.npz", "left") == Source("a.npz", "left")
    assert one_source("a.npz", "left, right") == Source("a.npz", "left, right")
    with refused("a.npz#left: names a task, and --task left another time; leave one of them out"):
        one_source("a.npz#left", "left")
    with refused("a.npz#left,right: is one recording per task; give one, such as a.npz#left"):
        one_source("a.npz#left,right")
    with refused("a.npz#all: is one recording per task; give one, such as a.npz#TASK"):
        one_source("a.npz#all")


@pytest.mark.parametrize("text", ["none.npz", "none.npz#x", "#x", ""])
def test_a_place_that_is_not_there_is_refused(there, text):
    with refused(f"{text.partition('#')[0] or repr(text)}: no such recording; give a file, a folder or moabb:NAME"):
        place_and_tasks(text)


def test_a_place_is_the_same_from_everywhere_and_keeps_its_name(there):
    assert settled("a.npz") == settled("study/../a.npz") == str(there / "a.npz")
    assert settled("link.npz") == str(there / "link.npz")
    assert settled("study/.") == settled("../" + there.name + "/study") == str(there / "study")
    assert settled("moabb:BNCI2014_001") == "moabb:BNCI2014_001"


@pytest.mark.parametrize("module", [models.train, models.learn_centres, epoch_time])
def test_every_command_takes_the_same_places(there, module):
    app = Typer()
    app.command()(module.command)
    out = ("--out", "out") if module is models.train else ()
    tells = {
        "none.npz": "none.npz: no such recording; give a file, a folder or moabb:NAME",
        "a.npz#x,y": "a.npz#x,y: is one recording per task; give one, such as a.npz#x",
        "study": "study: a folder without recordings; known are files in .edf, .bdf, .gdf, .vhdr, .fif",
        "moabb:NOSET#1": "moabb:NOSET: MOABB has no set 'NOSET'; use its class name, such as BNCI2014_001, PhysionetMI",
    }
    for recording, line in tells.items():
        found = CliRunner().invoke(app, ["ind_tiny", "--recording", recording, *out])
        assert (found.exit_code, line in found.stderr.replace("\n", " ")) == (2, True), found.stderr


def test_a_name_that_looks_like_markup_is_shown_as_it_is(there):
    onset = np.arange(500, 7000, 300)
    samples = np.random.default_rng(0).normal(0, 20, (8000, 4))
    samples[4000:, 1] = 0
    arrays = {"event_sample": onset, "event_label": np.arange(len(onset)) % 4, "session_start": [0, 4000]}
    names = {"channels": ["A", "[/b]", "C", "D"], "session_names": ["[red]1", "2"]}
    np.savez(there / "s[bold].npz", samples=samples, sample_hz=600.0, **arrays, **names)
    app = Typer()
    app.command()(models.train.command)
    found = CliRunner().invoke(app, ["ind_tiny", "--recording", "s[bold].npz", "--out", "out", "--epochs", "1"])
    assert found.exit_code == 0, found.output
    assert "warning: s[bold].npz: session 2: channel [/b] is constant and counts as zero" in found.stderr
