"""Every reader of a foreign format on small files of that real format, written by the format's own library or by hand."""

import re
import struct
import warnings
from datetime import UTC, datetime

import mne
import mne_bids
import numpy as np
import pytest
from moabb.datasets.fake import FakeDataset
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.behavior import BehavioralTimeSeries
from pynwb.ecephys import ElectricalSeries
from scipy.io import savemat

from models.datasets import moabb_sets
from models.datasets.catalogue import read_recording, tasks_of
from models.recording import RecordingError
from models.trials import windows_of

RATE = 100.0
CUES = ((1.0, "left"), (6.0, "right"), (11.0, "left"), (16.0, "right"))


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("IND_CACHE", "")


def refused(message: str):
    return pytest.raises(RecordingError, match=f"^{re.escape(message)}")


def signal(seconds: int = 20, channels: int = 3) -> np.ndarray:
    """Whole microvolts, so that every format keeps them."""
    return np.random.default_rng(0).integers(-90, 90, (channels, int(seconds * RATE))).astype(float)


def raw_of(uv: np.ndarray, duration: float = 2.0) -> mne.io.RawArray:
    info = mne.create_info(["C3", "Cz", "C4"], RATE, "eeg")
    raw = mne.io.RawArray(uv * 1e-6, info, verbose="ERROR")
    onset, text = [time for time, _ in CUES], [name for _, name in CUES]
    return raw.set_annotations(mne.Annotations(onset, [duration] * len(CUES), text))


def write_gdf(path, uv: np.ndarray, events: list[tuple[int, int]]) -> None:
    """GDF 1.25 with int16 samples of 1 microvolt, one record per second, and an event table of mode 1."""
    channels, samples = uv.shape
    rate, records = int(RATE), samples // int(RATE)
    length = 256 * (channels + 1)
    head = b"GDF 1.25" + b"X".ljust(80) + b"Y".ljust(80) + b"2026010112000000"
    head += struct.pack("<q", length) + bytes(24) + bytes(20) + struct.pack("<q", records) + struct.pack("<2I", 1, 1)
    head += struct.pack("<I", channels) + b"".join(name.ljust(16) for name in (b"C3", b"Cz", b"C4")) + bytes(80 * channels)
    head += b"uV".ljust(8) * channels
    head += struct.pack(f"<{channels}d", *[-32768.0] * channels) + struct.pack(f"<{channels}d", *[32767.0] * channels)
    head += struct.pack(f"<{channels}q", *[-32768] * channels) + struct.pack(f"<{channels}q", *[32767] * channels)
    head += bytes(80 * channels) + struct.pack(f"<{channels}i", *[rate] * channels)
    head += struct.pack(f"<{channels}i", *[3] * channels)
    body = uv.reshape(channels, records, rate).swapaxes(0, 1).astype("<i2").tobytes()
    table = b"\x01" + rate.to_bytes(3, "little") + struct.pack("<I", len(events))
    table += struct.pack(f"<{len(events)}I", *[place + 1 for place, _ in events])
    table += struct.pack(f"<{len(events)}H", *[code for _, code in events])
    path.write_bytes(head.ljust(length, b"\0") + body + table)


def write_mne(path, uv: np.ndarray, duration: float = 2.0) -> None:
    """The file in the format that its ending names."""
    raw = raw_of(uv, duration)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".fif":
            raw.save(path, verbose="ERROR")
        elif path.suffix == ".gdf":
            write_gdf(path, uv, [(int(time * RATE), 769 + (name == "right")) for time, name in CUES])
        else:
            mne.export.export_raw(path, raw, verbose="ERROR")


@pytest.mark.parametrize("name", ["s_raw.fif", "s.edf", "s.bdf", "s.vhdr", "s.gdf"])
def test_a_file_of_mne_gives_its_samples_and_cues(tmp_path, name):
    uv = signal()
    write_mne(tmp_path / name, uv)
    found = read_recording(tmp_path / name)
    assert (found.kind, found.sample_hz, found.electrodes) == ("voltage", RATE, ("C3", "Cz", "C4"))
    assert found.label_names == (("769", "770") if name.endswith("gdf") else ("left", "right"))
    session = found.sessions[0]
    assert session.onset.tolist() == [int(time * RATE) for time, _ in CUES]
    assert session.label.tolist() == [0, 1, 0, 1]
    assert np.abs(session.samples[: uv.shape[1]] - uv.T).max() < 0.01
    if not name.endswith("gdf"):
        assert found.decide_s == 2.0


def test_the_task_chooses_annotations_and_the_time_of_the_decision(tmp_path):
    write_mne(tmp_path / "s_raw.fif", signal())
    found = read_recording(tmp_path / "s_raw.fif", "right+left@1.5")
    assert (found.label_names, found.decide_s) == (("right", "left"), 1.5)
    assert found.sessions[0].label.tolist() == [1, 0, 1, 0]
    with refused("s_raw.fif: has no annotation up; use some of left, right, joined by +"):
        read_recording(tmp_path / "s_raw.fif", "left+up")
    with refused("s_raw.fif: @soon is not a number of seconds; write left+right@4"):
        read_recording(tmp_path / "s_raw.fif", "left@soon")


def test_cues_without_duration_decide_before_the_next_one_and_in_4_seconds_at_most(tmp_path):
    write_mne(tmp_path / "s_raw.fif", signal(), duration=0.0)
    assert read_recording(tmp_path / "s_raw.fif").decide_s == 4.0


def test_a_cropped_fif_keeps_its_cues_where_they_are(tmp_path):
    uv = signal()
    raw = raw_of(uv)
    raw.set_meas_date(datetime(2026, 1, 1, tzinfo=UTC))
    raw.set_annotations(mne.Annotations([1.0, 6.0, 11.0, 16.0], [2.0] * 4, ["a", "b"] * 2, orig_time=raw.info["meas_date"]))
    raw.crop(tmin=5.0).save(tmp_path / "s_raw.fif", verbose="ERROR")
    session = read_recording(tmp_path / "s_raw.fif", "a+b").sessions[0]
    assert session.onset.tolist() == [100, 600, 1100]
    assert np.abs(session.samples[0] - uv[:, 500]).max() < 0.01


def test_a_folder_of_files_is_one_session_each(tmp_path):
    for name in ("b_raw.fif", "a_raw.fif"):
        write_mne(tmp_path / name, signal())
    assert [session.name for session in read_recording(tmp_path).sessions] == ["a_raw", "b_raw"]
    (tmp_path / "empty").mkdir()
    with refused("empty: a folder without recordings; known are files in .edf, .bdf, .gdf, .vhdr, .fif"):
        read_recording(tmp_path / "empty")


@pytest.mark.parametrize("name", ["s_raw.fif", "s.edf", "s.bdf", "s.vhdr", "s.gdf", "s.nwb", "s.mat"])
def test_a_file_of_noise_is_one_clear_line(tmp_path, name):
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(3000))
    with pytest.raises(RecordingError) as found:
        read_recording(tmp_path / name)
    assert str(found.value).startswith(f"{name}: ") and "\n" not in str(found.value)


@pytest.mark.parametrize("name", ["s_raw.fif", "s.edf", "s.gdf"])
@pytest.mark.parametrize("share", [0.05, 0.3])
def test_a_truncated_file_is_one_clear_line_or_its_rest(tmp_path, name, share):
    write_mne(tmp_path / name, signal())
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    try:
        rest = read_recording(tmp_path / name)
    except RecordingError as error:
        assert str(error).startswith(f"{name}: ") and "\n" not in str(error)
    else:
        assert len(rest.sessions[0].samples) < 2000


def test_an_unknown_format_lists_what_is_known(tmp_path):
    (tmp_path / "s.xyz").write_text("1, 2")
    with refused(
        "s.xyz: a file of an unknown format; known are .npz, .edf, .bdf, .gdf, .vhdr, .fif, .mat, .nwb, BIDS folders and"
    ):
        read_recording(tmp_path / "s.xyz")


def write_bids(root) -> None:
    for subject in ("01", "02"):
        for run in ("01", "02"):
            path = mne_bids.BIDSPath(subject=subject, task="imagery", run=run, datatype="eeg", root=root)
            raw = raw_of(signal())
            raw.info["line_freq"] = 50
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mne_bids.write_raw_bids(raw, path, format="BrainVision", allow_preload=True, overwrite=True, verbose="ERROR")


def test_a_bids_folder_gives_its_subjects(tmp_path):
    root = tmp_path / "study"
    write_bids(root)
    assert tasks_of(str(root)) == ["01", "02"]
    found = read_recording(root, "02/left+right@3")
    assert [session.name for session in found.sessions] == ["task-imagery_run-01_eeg.vhdr", "task-imagery_run-02_eeg.vhdr"]
    assert (found.label_names, found.decide_s) == (("left", "right"), 3.0)
    assert found.sessions[1].onset.tolist() == [100, 600, 1100, 1600]
    assert np.abs(found.sessions[0].samples - signal().T).max() < 0.1
    with refused("study: has no subject '07'; use one of 01, 02"):
        read_recording(root, "07")


def test_a_set_of_moabb_gives_runs_and_test_sessions():
    dataset = FakeDataset(n_subjects=2, n_sessions=2, n_runs=2, duration=60, n_events=12, seed=1)
    found = moabb_sets.read_set(dataset, "moabb:Fake", "2")
    assert found.source == "Fake subject 2"
    assert (found.electrodes, found.label_names) == (("C3", "Cz", "C4"), ("fake1", "fake2", "fake3"))
    assert (found.sample_hz, found.decide_s) == (128.0, 3.0)
    assert [session.name for session in found.sessions] == [f"session {s} run {r}" for s in (0, 1) for r in (0, 1)]
    assert found.test_sessions == ("session 1 run 0", "session 1 run 1")
    raw = dataset.get_data([2])[2]["0"]["0"]
    events = mne.find_events(raw, shortest_event=0, verbose="ERROR")
    assert np.array_equal(found.sessions[0].onset, events[:, 0] - raw.first_samp)
    assert np.array_equal(found.sessions[0].label, events[:, 2] - 1)
    assert np.array_equal(found.sessions[0].samples, (raw.get_data(picks=["C3", "Cz", "C4"]).T * 1e6).astype(np.float32))


def test_of_one_session_the_last_run_of_each_kind_tests():
    dataset = FakeDataset(n_subjects=1, n_sessions=1, n_runs=3, duration=60, n_events=12, seed=1)
    assert moabb_sets.read_set(dataset, "moabb:Fake", None).test_sessions == ("session 0 run 2",)


def test_moabb_is_asked_for_sets_of_motor_imagery_by_name():
    assert tasks_of("moabb:BNCI2014_001") == [str(i) for i in range(1, 10)]
    assert len(tasks_of("moabb:PhysionetMI")) == 109
    with refused("moabb:BNCI2014_999: MOABB has no set 'BNCI2014_999'; use its class name, such as BNCI"):
        tasks_of("moabb:BNCI2014_999")
    with refused("moabb:BNCI2014_009: is a set of p300, not of motor imagery; use BNCI2014_001 or the like"):
        tasks_of("moabb:BNCI2014_009")
    with refused("moabb:BNCI2014_004: has no subject '77'; use one of 1, 2, 3"):
        moabb_sets.read("moabb:BNCI2014_004", "77")


def new_nwb() -> NWBFile:
    return NWBFile("session", "one", datetime(2026, 1, 1, tzinfo=UTC))


def save_nwb(file: NWBFile, path) -> None:
    with NWBHDF5IO(str(path), "w") as io:
        io.write(file)


def falcon_m1(path, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A file laid out as FALCON's M1: units, muscles in a container, a mask, trials -> ends of bins, spikes of unit 1."""
    rng, file = np.random.default_rng(seed), new_nwb()
    time_s = 0.02 * np.arange(1, 301)
    muscles = BehavioralTimeSeries(name="preprocessed_emg")
    for name in ("FDS", "EDC"):
        course = np.stack([np.sin(time_s + len(name))])[0]
        muscles.add_timeseries(TimeSeries(name=name, data=course, unit="mV", timestamps=time_s))
    file.add_acquisition(muscles)
    mask = np.ones(300, bool)
    mask[:50] = False
    file.add_acquisition(TimeSeries(name="eval_mask", data=mask, unit="bool", timestamps=time_s))
    spikes = [np.sort(rng.uniform(0, 6, 80)) for _ in range(4)]
    for times in spikes:
        file.add_unit(spike_times=times)
    file.add_trial(start_time=0.0, stop_time=6.0)
    save_nwb(file, path)
    return time_s, spikes[0]


def test_a_file_of_falcon_m1_gives_counts_muscles_and_its_mask(tmp_path):
    time_s, spikes = falcon_m1(tmp_path / "day1.nwb")
    found = read_recording(tmp_path / "day1.nwb")
    session = found.sessions[0]
    assert (found.kind, found.electrodes) == ("counts", ("unit0", "unit1", "unit2", "unit3"))
    assert found.sample_hz == pytest.approx(50.0)
    edges = np.append(time_s[0] - 0.02, time_s)
    assert np.array_equal(session.samples[:, 0], np.histogram(spikes, edges)[0])
    assert session.targets.shape == (300, 2)
    assert np.isnan(session.targets[:50]).all() and np.isfinite(session.targets[50:]).all()
    with refused("day1.nwb: has no time series 'speed' to predict; use one of preprocessed_emg"):
        read_recording(tmp_path / "day1.nwb", "speed")


def test_a_folder_of_falcon_files_is_one_session_each_and_masked_rows_are_left_out(tmp_path):
    for day in (1, 2):
        falcon_m1(tmp_path / f"day{day}.nwb", seed=day)
    found = read_recording(tmp_path)
    assert [session.name for session in found.sessions] == ["day1", "day2"]
    train, test = windows_of(type(found)(**{**vars(found), "test_sessions": ("day2",)}))
    assert (len(train), len(test)) == (250, 250)


def test_voltages_and_trials_of_an_nwb_file_are_a_recording(tmp_path):
    file, uv = new_nwb(), signal()
    device = file.create_device("amplifier")
    group = file.create_electrode_group("grid", "cortex", "M1", device)
    for _ in range(3):
        file.add_electrode(group=group, location="M1")
    region = file.create_electrode_table_region([0, 1, 2], "all")
    data = (uv.T * 4).astype(np.int16)
    file.add_acquisition(ElectricalSeries("voltage", data, region, rate=RATE, starting_time=0.5, conversion=0.25e-6))
    file.add_trial_column("movement", "what was asked for")
    for time, name in CUES:
        file.add_trial(start_time=time + 0.5, stop_time=time + 2.5, movement=name)
    save_nwb(file, tmp_path / "s.nwb")
    found = read_recording(tmp_path / "s.nwb")
    assert (found.kind, found.sample_hz, found.label_names, found.decide_s) == ("voltage", RATE, ("left", "right"), 2.0)
    assert found.sessions[0].onset.tolist() == [int(time * RATE) for time, _ in CUES]
    assert found.sessions[0].label.tolist() == [0, 1, 0, 1]
    assert np.abs(found.sessions[0].samples - uv.T).max() < 1e-3
    with refused("s.nwb: its trials have no column 'speed' of labels; use one of movement"):
        read_recording(tmp_path / "s.nwb", "speed")


def test_an_nwb_file_without_signal_is_refused(tmp_path):
    save_nwb(new_nwb(), tmp_path / "s.nwb")
    with refused("s.nwb: has neither units nor an electrical series; use another file"):
        read_recording(tmp_path / "s.nwb")


def ecog_mat() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "train_data": rng.integers(-999, 999, (4000, 3)).astype(np.int32),
        "train_dg": rng.normal(size=(4000, 5)),
        "test_data": rng.integers(-999, 999, (2000, 3)).astype(np.int32),
    }


def test_a_mat_file_of_the_competition_gives_voltages_and_flexion(tmp_path):
    arrays = ecog_mat()
    savemat(tmp_path / "sub1_comp.mat", arrays)
    found = read_recording(tmp_path / "sub1_comp.mat")
    assert (found.kind, found.sample_hz, len(found.electrodes), len(found.sessions)) == ("voltage", 1000.0, 3, 1)
    assert np.array_equal(found.sessions[0].samples, arrays["train_data"])
    assert np.array_equal(found.sessions[0].targets, arrays["train_dg"].astype(np.float32))
    savemat(tmp_path / "sub1_testlabels.mat", {"test_dg": np.ones((2000, 5))})
    both = read_recording(tmp_path / "sub1_comp.mat")
    assert [session.name for session in both.sessions] == ["train", "test"] and both.test_sessions == ("test",)
    train, test = windows_of(both)
    assert (len(train), len(test)) == (61, 21)


def test_another_mat_file_is_refused(tmp_path):
    savemat(tmp_path / "x.mat", {"a": np.ones(3)})
    with refused("x.mat: a .mat file without train_data, train_dg; known is BCI Competition IV set 4 alone"):
        read_recording(tmp_path / "x.mat")
    savemat(tmp_path / "y.mat", ecog_mat() | {"train_dg": np.ones((7, 5))})
    with refused("y.mat: train_data [4000, 3] and train_dg [7, 5] do not fit together"):
        read_recording(tmp_path / "y.mat")
    with refused("y.mat: task 'x' is unknown; use flexion"):
        read_recording(tmp_path / "y.mat", "x")
