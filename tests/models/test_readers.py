"""Every reader on small files of its kind, told apart by their content, and every way in which a file is refused."""

import io
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from designs.array_archive import ArchiveError, read_arrays
from designs.decoding_set import DecodingSet, DecodingSetError
from designs.eeg_int4 import EEG_INT4
from designs.ind_tiny import IND_TINY
from models.datasets.catalogue import read_recording, recording_for
from models.recording import RecordingError, fit_to_design

EVENT = np.dtype([("run", "<i4"), ("onset_s", "<f4"), ("dur_s", "<f4"), ("code", "<U2")])


def refused(message: str):
    return pytest.raises(RecordingError, match=f"^{re.escape(message)}")


@pytest.fixture
def write(tmp_path):
    def save(name="some file.npz", **arrays):
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    return save


def physionet(runs=(3, 4, 5, 6, 7, 13, 14), seed=0):
    rng = np.random.default_rng(seed)
    codes = ("T0", "T1", "T0", "T2")
    events = np.array([(run, 2.0 * i, 2.0, code) for run in runs for i, code in enumerate(codes)], EVENT)
    signal = {f"run{run:02d}": rng.integers(-99, 99, (3, 1600)).astype(np.int16) for run in runs}
    return {"fs": np.float32(160), "ch": np.array(["Fc5", "C3", "Cz"]), "events": events} | signal


def trials():
    rng = np.random.default_rng(0)
    session, subject = np.tile([1, 2, 4], 4), np.repeat([3, 5], 6)
    return {
        "X": rng.integers(-99, 99, (12, 3, 50)).astype(np.int16),
        "scale_uV": np.float32(0.5),
        "y": np.tile([0, 1], 6).astype(np.uint8),
        "y_names": np.array(["left hand", "right hand"]),
        "fs": np.float32(250),
        "ch": np.array(["C3", "Cz", "C4"]),
        "subject": subject.astype(np.uint8),
        "session": session.astype(np.uint8),
    }


def features():
    return {
        "X": np.ones((3, 7, 2, 4), np.float32),
        "y": np.zeros((3, 7, 5), np.float32),
        "feat": np.array(["a", "b", "c", "d"]),
        "fs_windows": np.float32(20),
        "win_s": np.float32(0.1),
    }


def spikes():
    counts = np.ones((100, 3), np.uint8)
    counts[:, 1] = 0
    return {
        "X": counts,
        "pos": np.zeros((100, 3), np.float32),
        "vel": np.ones((100, 3), np.float32),
        "bin_s": np.float32(0.05),
        "test_idx": np.arange(70, 100),
    }


def snippet():
    signal = np.random.default_rng(0).normal(size=(3, 500)).astype(np.float32)
    return {"X": signal, "ch": np.array(["LFP_1", "ANALOG_R", "ECOG_1"]), "fs": np.float32(1000)}


def generic():
    return {
        "samples": np.random.default_rng(0).integers(-9, 9, (3000, 4)).astype(np.int16),
        "sample_hz": np.float64(600),
        "event_sample": np.array([10, 900, 1600, 2900]),
        "event_label": np.array(["rest", "go", "go", "rest"]),
        "scale_uv": np.float64(0.5),
        "session_start": np.array([0, 1500]),
    }


def generic_course():
    file = generic() | {"kind": np.array("features"), "targets": np.zeros((3000, 2)), "target_names": np.array(["x", "y"])}
    return {key: value for key, value in file.items() if key not in ("event_sample", "event_label", "scale_uv")}


def test_physionet_runs_become_sessions(write):
    file = physionet()
    found = read_recording(write(**file))
    assert found.source == "some file.npz, fists_feet"
    assert [session.name for session in found.sessions] == ["run05", "run06", "run13", "run14"]
    assert found.test_sessions == ("run13", "run14")
    assert found.label_names == ("fists", "feet")
    assert found.sessions[0].onset.tolist() == [320, 960]
    assert found.sessions[0].label.tolist() == [0, 1]
    assert np.array_equal(found.sessions[0].samples, file["run05"].T)


def test_physionet_tasks_choose_runs_and_classes(write):
    path = write(**physionet(runs=(3, 5, 11, 13)))
    left_right, rest_move = read_recording(path, "left_right"), read_recording(path, "rest_move")
    assert [session.name for session in left_right.sessions] == ["run03", "run11"]
    assert left_right.label_names == ("left fist", "right fist")
    assert rest_move.sessions[0].label.tolist() == [0, 1, 0, 1]
    assert rest_move.test_sessions == ("run11", "run13")


def test_physionet_refuses_unknown_tasks_and_missing_runs(write):
    with refused("some file.npz: task 'sing' is unknown; use one of fists_feet, left_right, rest_move"):
        read_recording(write(**physionet()), "sing")
    with refused("some file.npz: task fists_feet needs runs before 11 and from it on, of 5, 6, 9, 10, 13, 14"):
        read_recording(write(**physionet(runs=(5, 6))))


def test_trials_of_a_session_are_joined(write):
    file = trials()
    found = read_recording(write(**file), "subject5")
    assert [session.name for session in found.sessions] == ["session1", "session2", "session4"]
    assert found.test_sessions == ("session4",)
    assert found.decide_s == pytest.approx(0.2)
    first = found.sessions[0]
    assert first.onset.tolist() == [0, 50]
    assert np.array_equal(first.samples[50:100], file["X"][9].T * np.float32(0.5))
    assert first.label.tolist() == [0, 1]
    with refused("some file.npz: task 'subject9' is unknown; use one of subject3, subject5"):
        read_recording(write(**file), "subject9")


def test_features_are_read_and_refused_by_a_design_of_voltages(write):
    found = read_recording(write(**features()))
    assert (found.kind, found.sample_hz, len(found.electrodes)) == ("features", 20.0, 8)
    assert found.sessions[0].targets.shape == (7, 5)
    assert found.test_sessions == ("block2", "block3")
    with refused(
        "some file.npz: holds features, but ind_tiny starts from voltages; use a recording of at least 4 channels at 600 Hz"
    ):
        fit_to_design(found, IND_TINY)
    with refused("some file.npz: task 'left' is unknown; use flexion"):
        read_recording(write(**features()), "left")


def test_spikes_are_read_without_silent_units(write):
    found = read_recording(write(**spikes()), "position")
    assert (found.kind, found.sample_hz) == ("counts", pytest.approx(20.0))
    assert found.electrodes == ("unit1", "unit3")
    assert [len(session.samples) for session in found.sessions] == [70, 30]
    assert (found.sessions[1].targets == 0).all()
    with refused("some file.npz: task 'speed' is unknown; use one of velocity, position"):
        read_recording(write(**spikes()), "speed")
    with refused("some file.npz, velocity: holds counts, but eeg_int4 starts from voltages; use a recording of at least 32"):
        fit_to_design(read_recording(write(**spikes())), EEG_INT4)


def test_snippets_are_read_without_sensors_and_refused_for_training(write):
    found = read_recording(write(**snippet()))
    assert found.electrodes == ("LFP_1", "ECOG_1")
    with refused("some file.npz: has no labelled cues, nothing to train on; use a recording with cues of 4 classes"):
        fit_to_design(found, IND_TINY)
    with refused("some file.npz: has no task 'x', it holds no labelled cues; leave --task out"):
        read_recording(write(**snippet()), "x")


def test_the_generic_layout_is_read(write):
    file = generic()
    found = read_recording(write(**file))
    assert (found.sample_hz, found.decide_s) == (600.0, 1.0)
    assert found.electrodes == ("E1", "E2", "E3", "E4")
    assert found.label_names == ("go", "rest")
    assert [session.name for session in found.sessions] == ["session1", "session2"]
    assert [session.onset.tolist() for session in found.sessions] == [[10, 900], [100, 1400]]
    assert [session.label.tolist() for session in found.sessions] == [[1, 0], [0, 1]]
    assert np.array_equal(found.sessions[1].samples, file["samples"][1500:] * np.float32(0.5))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"event_label": None}, "event_label missing; models/datasets/generic.py says what a recording holds"),
        ({"samples": np.zeros((4, 3, 2))}, "samples is float64 [4, 3, 2] where numbers [samples, channels] are needed"),
        ({"event_sample": np.array([1, 2])}, "event_sample and event_label must be two lists of the same length"),
        ({"event_sample": np.array([1, 2, 3, 3000])}, "event_sample must lie from 0 to 2999"),
        (
            {"samples": np.zeros((4, 3000)), "event_sample": np.array([1, 2, 3, 2000])},
            "event_sample must lie from 0 to 3; samples is [samples, channels], turn it round",
        ),
        ({"channels": np.array(["a"])}, "1 channel names for 4 channels; name each one"),
        ({"session_start": np.array([5])}, "session_start must ascend from 0 and stay below 3000 samples"),
        ({"session_names": np.array(["a"])}, "1 session_names for 2 sessions; name each one"),
    ],
)
def test_the_generic_layout_says_what_is_wrong(write, changes, message):
    arrays = {key: value for key, value in (generic() | changes).items() if value is not None}
    with refused(f"some file.npz: {message}"):
        read_recording(write(**arrays))


def test_a_task_of_a_generic_recording_is_refused(write):
    with refused("some file.npz: has no task 'x'; leave --task out"):
        read_recording(write(**generic()), "x")


def test_the_name_of_a_file_does_not_matter(write):
    assert read_recording(write("spikes.npz", **trials())).label_names == ("left hand", "right hand")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RecordingError, match=r"none\.npz: no such recording; give the path of an \.npz file$"):
        read_recording(tmp_path / "none.npz")


def test_an_unknown_kind_lists_what_is_known(write):
    with refused(
        "some file.npz: recording of an unknown kind (it holds a, b); known are generic, physionet_eegmmidb, bci4_2b, "
        "bci4_ecog_features, stevenson_spikes, ecog_snippets, and models/datasets/generic.py says how to write your own"
    ):
        read_recording(write(a=np.zeros(2), b=np.zeros(2)))


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused(write, share):
    path = write(**physionet())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with refused("some file.npz: not a readable .npz recording ("):
        read_recording(path)


def test_a_file_with_flipped_bytes_is_refused(write):
    path = write(**generic())
    content = bytearray(path.read_bytes())
    content[5000:5100] = bytes(100)
    path.write_bytes(content)
    with refused("some file.npz: not a readable .npz recording ("):
        read_recording(path)


def test_text_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no numbers here")
    with refused("text.npz: "):
        read_recording(tmp_path / "text.npz")


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    with refused("one.npy: is a single array, not an .npz archive; save plain number and text arrays with numpy.savez"):
        read_recording(tmp_path / "one.npy")


def test_pickled_objects_are_never_loaded(write):
    with refused(
        "some file.npz: array channels holds Python objects, which are never loaded; save plain number and text arrays"
    ):
        read_recording(write(**generic() | {"channels": np.array([{}, 1, 2, 3], dtype=object)}))


def test_a_known_kind_without_one_of_its_keys_is_damaged(write):
    file = physionet()
    del file["ch"]
    with refused("some file.npz: a damaged physionet_eegmmidb recording (KeyError: 'ch'); save it again"):
        read_recording(write(**file))


def test_the_generated_recording_has_no_tasks():
    with refused("the generated recording has no task 'left_right'; leave --task out, or give a --recording"):
        recording_for(IND_TINY, None, "left_right", 0)


READ = {
    "generic": generic,
    "generic with a course": generic_course,
    "physionet_eegmmidb": physionet,
    "bci4_2b": trials,
    "bci4_ecog_features": features,
    "stevenson_spikes": spikes,
    "ecog_snippets": snippet,
}
ODD = {
    "text": np.array("x"),
    "texts": np.array(["x", "1\n2", ""]),
    "record": np.zeros(4, EVENT),
    "other record": np.zeros((2, 3), [("a", "<i4"), ("b", "<f8", (2,))]),
    "negative": np.int64(-7),
    "NaN": np.float64(np.nan),
    "infinite": np.float64(np.inf),
    "huge": np.float64(1e300),
    "huge whole": np.uint64(2**64 - 1),
    "zero": np.float32(0),
    "no axis": np.array(3),
    "complex": np.full((3, 4), 1j),
    "bool": np.ones((3, 4), bool),
    "date": np.array(["2020-01-01", "NaT"], "datetime64[s]"),
    "bytes": np.array([b"\xff", b"a"]),
    "void": np.zeros(3, "V4"),
    "empty": np.zeros(0),
    "no rows": np.zeros((0, 4), np.int16),
    "no columns": np.zeros((3000, 0), np.int16),
    "four axes": np.ones((2, 3, 1, 2)),
    "long": np.arange(70_000),
}


def spoiled(array):
    """The array itself with other values or another shape: closer to right than ODD."""
    array = np.asarray(array)
    yield array[..., None]
    yield array[None]
    yield array.ravel()[:1]
    yield array.astype("U9") if array.dtype.names is None else array["run"]
    if array.dtype.kind in "iuf":
        for value in (-1, np.nan, np.inf, 1e300, 2**62):
            yield np.full(array.shape, value)
        yield -array.astype(np.float64)


@pytest.mark.parametrize("kind", sorted(READ))
@pytest.mark.filterwarnings("error")
def test_whatever_a_key_holds_only_one_line_comes_out(write, kind):
    file, came = READ[kind](), []
    read_recording(write(**file))
    for key, value in file.items():
        for odd in (*ODD.values(), *spoiled(value)):
            try:
                fit_to_design(read_recording(write(**file | {key: odd})), IND_TINY)
            except RecordingError as error:
                came.append(str(error))
    assert len(came) >= 10 * len(file)
    assert not [line for line in came if "\n" in line or not line.startswith("some file.npz")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale_uv": np.array("x")}, "scale_uv is <U1 [] where one number is needed; save it again"),
        ({"scale_uv": np.float64(np.nan)}, "scale_uv=nan is not a finite number; correct it"),
        ({"sample_hz": np.array("600")}, "sample_hz is <U3 [] where one number is needed; save it again"),
        ({"decide_s": np.float64(np.nan)}, "decide_s=nan is not a finite number; correct it"),
        ({"decide_s": np.float64(0)}, "decide_s=0.0 is not a positive number of seconds; correct it"),
        (
            {"event_sample": np.array(["a", "b", "c", "d"])},
            "a damaged generic recording (ValueError: invalid literal for int() with base 10: ",
        ),
    ],
)
def test_a_number_that_is_none_is_named(write, changes, message):
    with refused(f"some file.npz: {message}"):
        read_recording(write(**generic() | changes))


def claiming(path: Path, shape: tuple[int, ...], dtype: str, content: bytes = b"") -> Path:
    """An archive whose array `samples` says that it is larger than it is."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples.npy", header.getvalue() + content)
    return path


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((10**12,), "int16"), ((10**6, 10**6), "int16"), ((0, 10**12), "int16"), ((1,), "<U400000000")],
)
def test_an_array_that_claims_more_than_the_file_holds_is_refused_before_memory_is_taken(tmp_path, shape, dtype):
    path = claiming(tmp_path / "a.npz", shape, np.dtype(dtype).str, bytes(10))
    claim = re.escape(f"array samples claims {dtype} {list(shape)}, more than the ")
    tracemalloc.start()
    with pytest.raises(RecordingError, match=rf"^a\.npz: not a readable .npz recording \({claim}\d+ bytes it has\); copy"):
        read_recording(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 22


def test_an_archive_that_unpacks_to_more_than_is_read_is_refused(tmp_path):
    path = claiming(tmp_path / "a.npz", (1 << 24,), "<i1", bytes(1 << 24))
    assert path.stat().st_size < 1 << 16
    assert len(read_arrays(path)["samples"]) == 1 << 24
    with pytest.raises(ArchiveError, match=r"^unpacks to \d+ bytes, more than the 1000000 that are read$"):
        read_arrays(path, bytes_at_most=1_000_000)
    with pytest.raises(DecodingSetError, match=r"^a\.npz: not a readable decoding set \(array samples claims int16 "):
        DecodingSet.load(claiming(path, (10**12,), "<i2"))
