"""A recording's files are exactly those that its reader opens: no neighbour more, whatever they are called, and none less."""

import re
import warnings

import mne
import numpy as np
import pytest

from designs.recording_files import HEADER_BYTES, recording_files
from designs.recording_place import PlaceError
from models.datasets.cache import cached
from models.datasets.catalogue import read_recording
from models.recording import RecordingError

RATE = 100.0


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("IND_CACHE", "")


def write(path, seconds: int = 20, **options: object) -> None:
    """A recording of three channels and four cues in the format that the name's ending says."""
    info = mne.create_info(["C3", "Cz", "C4"], RATE, "eeg")
    uv = np.random.default_rng(0).integers(-90, 90, (3, int(seconds * RATE)))
    raw = mne.io.RawArray(uv * 1e-6, info, verbose="ERROR")
    raw.set_annotations(mne.Annotations([1, 6, 11, 16], [2] * 4, ["left", "right"] * 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".fif":
            raw.save(path, verbose="ERROR", **options)
        else:
            mne.export.export_raw(path, raw, verbose="ERROR")


def names(place, task=None) -> list[str]:
    return [path.name for path in recording_files(place, task)]


def touch(folder, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("")


def rename_parts(folder, **named: str) -> None:
    """Call what belongs to s.vhdr as `named` by key, as an export under another name leaves it."""
    text = (folder / "s.vhdr").read_text()
    for key, name in named.items():
        (folder / ("s.eeg" if key == "DataFile" else "s.vmrk")).rename(folder / name)
        text = re.sub(f"{key}=.*", f"{key}={name}", text)
    (folder / "s.vhdr").write_text(text)


def test_a_file_that_stands_alone_is_its_only_one(tmp_path):
    touch(tmp_path, "sub01.edf", "sub01_left.edf", "sub01.npz", "sub01.eeg", "sub02.edf", "S.mat", "S_testlabels.mat")
    assert names(tmp_path / "sub01.edf") == ["sub01.edf"]
    assert names(tmp_path / "sub01.npz") == ["sub01.npz"]
    assert names(tmp_path / "S.mat") == ["S.mat"]


def test_labels_of_the_competition_belong_to_its_file(tmp_path):
    touch(tmp_path, "sub1_comp.mat", "sub1_testlabels.mat", "sub2_testlabels.mat")
    assert names(tmp_path / "sub1_comp.mat") == ["sub1_comp.mat", "sub1_testlabels.mat"]


@pytest.mark.parametrize("stem", ["s[1]", "s[", "s]*", "s?"])
@pytest.mark.parametrize("suffix", [".edf", ".vhdr", ".fif"])
def test_a_name_may_hold_what_a_pattern_means(tmp_path, monkeypatch, stem, suffix):
    monkeypatch.setenv("IND_CACHE", str(tmp_path / "cache"))
    path = tmp_path / f"{stem}{suffix}"
    write(path)
    assert path in recording_files(path) and len(recording_files(path)) == (3 if suffix == ".vhdr" else 1)
    first = read_recording(path)
    assert first.source == path.name and first.events == 4
    assert list((tmp_path / "cache").glob("*.npz"))
    path.with_suffix(".eeg" if suffix == ".vhdr" else suffix).write_bytes(b"")
    with pytest.raises(RecordingError):
        read_recording(path)


def test_a_brainvision_header_names_its_parts(tmp_path):
    write(tmp_path / "s.vhdr")
    touch(tmp_path, "s_more.eeg", "s2.vhdr")
    assert names(tmp_path / "s.vhdr") == ["s.eeg", "s.vhdr", "s.vmrk"]
    rename_parts(tmp_path, DataFile="other signal.eeg", MarkerFile="ök.vmrk")
    touch(tmp_path, "s.eeg", "s.vmrk")
    assert names(tmp_path / "s.vhdr") == ["other signal.eeg", "s.vhdr", "ök.vmrk"]
    assert read_recording(tmp_path / "s.vhdr").label_names == ("left", "right")
    (tmp_path / "ök.vmrk").unlink()
    assert names(tmp_path / "s.vhdr") == ["other signal.eeg", "s.vhdr", "s.vmrk"]


def test_a_changed_part_of_another_name_is_read_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("IND_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "s.vhdr")
    rename_parts(tmp_path, MarkerFile="cues.vmrk")
    assert read_recording(tmp_path / "s.vhdr").label_names == ("left", "right")
    markers = tmp_path / "cues.vmrk"
    markers.write_text(markers.read_text().replace("right", "rest"))
    assert read_recording(tmp_path / "s.vhdr").label_names == ("left", "rest")


@pytest.mark.parametrize("name", ["../cues.vmrk", "/etc/passwd", "below/cues.vmrk", "."])
def test_a_header_that_names_another_folder_is_refused(tmp_path, name):
    write(tmp_path / "s.vhdr")
    text = (tmp_path / "s.vhdr").read_text()
    (tmp_path / "s.vhdr").write_text(re.sub("MarkerFile=.*", f"MarkerFile={name}", text))
    message = f"^{re.escape(f's.vhdr: MarkerFile={name} names another folder; put the file beside the header')}$"
    with pytest.raises(PlaceError, match=message):
        recording_files(tmp_path / "s.vhdr")
    with pytest.raises(RecordingError, match=message):
        read_recording(tmp_path / "s.vhdr")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 3000,
        b"x\n[Common Infos]\nDataFile\n",
        b"x\n[Common Infos]\nCodepage=none\nDataFile=\0.eeg\n",
        b"x\n[Common Infos]\nDataFile=a\nDataFile=b\n",
        b"x\n[Other]\nDataFile=s.eeg\n",
    ],
)
def test_a_header_that_is_none_has_no_parts(tmp_path, content):
    touch(tmp_path, "s.eeg")
    (tmp_path / "s.vhdr").write_bytes(content)
    assert names(tmp_path / "s.vhdr") == ["s.vhdr"]


def test_no_more_of_a_header_is_read_than_a_header_has(tmp_path):
    (tmp_path / "s.vhdr").write_bytes(b"x\n" * HEADER_BYTES)
    with pytest.raises(PlaceError, match=r"^s\.vhdr: has more than the 1048576 bytes of a header; export it again$"):
        recording_files(tmp_path / "s.vhdr")


@pytest.mark.parametrize(
    ("naming", "parts"),
    [
        ("neuromag", ["s_raw-1.fif", "s_raw.fif"]),
        ("bids", ["s_split-01_raw.fif", "s_split-02_raw.fif"]),
    ],
)
def test_a_split_fif_is_one_session_of_all_its_parts(tmp_path, naming, parts):
    write(tmp_path / "s_raw.fif", 1600, split_size="2MB", split_naming=naming)
    touch(tmp_path, "s_raw-7.fif.txt", "s_rawer.fif", "s_raw-4.fif")
    first = tmp_path / ("s_raw.fif" if naming == "neuromag" else parts[0])
    assert names(first) == parts == sorted(path.name for path in mne.io.read_raw(first, verbose="ERROR").filenames)
    for other in ("s_rawer.fif", "s_raw-4.fif"):
        (tmp_path / other).unlink()
    assert names(tmp_path) == parts
    session = read_recording(tmp_path).sessions
    assert [(each.name, len(each.samples)) for each in session] == [(first.stem, 160_000)]


def test_a_folder_holds_what_its_readers_take(tmp_path):
    touch(tmp_path, "day1.nwb", "day2.nwb", "s.edf", "film.mp4", "sub/day3.nwb")
    assert names(tmp_path) == ["day1.nwb", "day2.nwb"]
    touch(tmp_path / "b", "x.EDF", "y.gdf", "notes.txt", "sub/z.edf")
    assert names(tmp_path / "b") == ["x.EDF", "y.gdf"]
    write(tmp_path / "c.vhdr")
    (tmp_path / "c").mkdir()
    for suffix in (".vhdr", ".eeg", ".vmrk"):
        (tmp_path / f"c{suffix}").rename(tmp_path / "c" / f"c{suffix}")
    assert names(tmp_path / "c") == ["c.eeg", "c.vhdr", "c.vmrk"]


def test_a_bids_folder_holds_the_tables_and_the_signals_of_one_subject(tmp_path):
    shared = ["dataset_description.json", "participants.tsv", "task-x_channels.tsv"]
    own = ["sub-01/sub-01_scans.tsv", "sub-01/ses-1/eeg/sub-01_eeg.set", "sub-01/ses-1/eeg/sub-01_eeg.fdt"]
    touch(tmp_path, *shared, *own, "README", "sub-01/anat/sub-01_T1w.nii", "sub-02/eeg/sub-02_eeg.edf", "sub-02/x.json")
    paths = [path.relative_to(tmp_path).as_posix() for path in recording_files(tmp_path)]
    assert paths == sorted([*shared, *own])
    assert sorted(names(tmp_path, "02/left+right@3")) == sorted([*shared, "sub-02_eeg.edf", "x.json"])


def test_same_names_in_other_folders_are_another_recording(tmp_path, monkeypatch, recording):
    monkeypatch.setenv("IND_CACHE", str(tmp_path / "cache"))
    root, times = tmp_path / "study", []

    def read():
        times.append(1)
        return recording

    touch(root, "dataset_description.json", "sub-1/ses-1/eeg/a.edf", "sub-1/ses-2/eeg/b.edf")
    for _ in range(2):
        cached(root, None, "models.datasets.bids_folder", read)
    assert len(times) == 1
    (root / "sub-1/ses-1/eeg/a.edf").rename(root / "sub-1/ses-2/eeg/a.edf")
    cached(root, None, "models.datasets.bids_folder", read)
    assert len(times) == 2


def test_a_name_of_moabb_has_no_files_and_no_place_is_refused(tmp_path):
    assert names("moabb:BNCI2014_001", "1") == []
    with pytest.raises(PlaceError, match=r"none: no such recording; give a file, a folder or moabb:NAME$"):
        recording_files(tmp_path / "none")
    with pytest.raises(PlaceError, match=r"^/dev/null: no such recording"):
        recording_files("/dev/null")
