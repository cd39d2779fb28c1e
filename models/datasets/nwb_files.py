"""Neurodata Without Borders files through pynwb: FALCON's sets, and files with electrical series and trials, or with units.

Source and licence: each file's own; NWB: Ruebel et al. 2022; pynwb (BSD-3). FALCON M1: Karpowicz et al. 2024, DANDI 000941
(CC BY 4.0): counts of threshold crossings per 20 ms before each time stamp of `preprocessed_emg`, whose muscles are the
targets; rows outside `eval_mask` are neither learned nor scored.
Task: of a file with units, the name of the time series to predict (the first by default); of one with an electrical series, the
column of the trials table that labels them (the first textual one by default).
A file is one session; a folder of files (of one subject) one recording with a session each. Split: models.splits' default.
"""

from pathlib import Path

import numpy as np
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.ecephys import ElectricalSeries

from designs.recording_files import session_files
from models.datasets.nwb_voltages import read_voltages
from models.recording import Recording, RecordingError, Session

KIND = "NWB"
MASK = "eval_mask"
SLOWEST_BIN_S, FASTEST_BIN_S = 0.05, 0.02


def read(path: Path, task: str | None) -> Recording:
    """The file, or the folder's files. Raises RecordingError, or whatever pynwb says of a damaged file."""
    files = [path] if path.is_file() else session_files(path)
    parts = [_read_file(file, task) for file in files]
    first = parts[0]
    for file, other in zip(files[1:], parts[1:], strict=True):
        if (other.kind, other.sample_hz, other.electrodes) != (first.kind, first.sample_hz, first.electrodes):
            raise RecordingError(
                f"{path.name}: {file.name} has other channels or another rate than {files[0].name}; leave it out"
            )
    sessions = tuple(session for part in parts for session in part.sessions)
    return Recording(path.name, first.kind, first.sample_hz, first.electrodes, first.label_names, sessions, first.decide_s)


def _read_file(path: Path, task: str | None) -> Recording:
    with NWBHDF5IO(str(path), "r", load_namespaces=True) as io:
        file = io.read()
        if file.units is not None and len(file.units) > 0:
            return _read_counts(file, path, task)
        return read_voltages(file, path, task)


def _courses(file: NWBFile) -> dict[str, list[TimeSeries]]:
    """Name of a series, or of a container of series, -> the series whose columns are targets."""
    found: dict[str, list[TimeSeries]] = {}
    holders = [file.acquisition, *(module.data_interfaces for module in file.processing.values())]
    for name, each in [item for holder in holders for item in holder.items()]:
        inside = getattr(each, "time_series", None) or getattr(each, "spatial_series", None)
        series = [each] if isinstance(each, TimeSeries) else list(inside.values()) if inside else []
        if series and name != MASK and not any(isinstance(one, ElectricalSeries) for one in series):
            found[name] = series
    return found


def _read_counts(file: NWBFile, path: Path, task: str | None) -> Recording:
    courses = _courses(file)
    name = task or next(iter(courses), "")
    if name not in courses:
        raise RecordingError(
            f"{path.name}: has no time series {name!r} to predict; use one of {', '.join(courses) or 'none it has'}"
        )
    time_s = _time_stamps(courses[name][0])
    columns = [np.asarray(series.data[:], np.float32).reshape(len(time_s), -1) for series in courses[name]]
    targets, rows, bin_s = _binned(time_s, np.concatenate(columns, axis=1))
    if MASK in file.acquisition:
        mask = np.asarray(file.acquisition[MASK].data[:], bool)
        targets[~mask[rows]] = np.nan
    ends = time_s[rows]
    counts = np.stack([_counts(np.asarray(file.units["spike_times"][i]), ends, bin_s) for i in range(len(file.units))], axis=1)
    none = np.zeros(0, np.int64)
    return Recording(
        source=path.name,
        kind="counts",
        sample_hz=1 / bin_s,
        electrodes=tuple(f"unit{number}" for number in file.units.id[:]),
        label_names=(),
        sessions=(Session(path.stem, counts, none, none, targets=targets),),
        decide_s=0.0,
    )


def _time_stamps(series: TimeSeries) -> np.ndarray:
    if series.timestamps is not None:
        return np.asarray(series.timestamps[:], np.float64)
    return np.asarray(float(series.starting_time or 0.0) + np.arange(len(series.data)) / float(series.rate))


def _binned(time_s: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Rows to keep of a course: all where it is sampled every 20 to 50 ms or slower, else one per 20 ms; and the bin."""
    step_s = float(np.median(np.diff(time_s)))
    every = max(1, round(FASTEST_BIN_S / step_s))
    rows = np.arange(every - 1, len(time_s), every)
    return targets[rows].copy(), rows, round(step_s * every, 6)


def _counts(spikes: np.ndarray, ends: np.ndarray, bin_s: float) -> np.ndarray:
    """spikes [times in s] -> float32 [rows]: how many lie in the `bin_s` up to each end, whatever gaps lie between."""
    spikes = np.sort(spikes)
    last, first = np.searchsorted(spikes, ends, side="left"), np.searchsorted(spikes, ends - bin_s, side="left")
    return (last - first).astype(np.float32)
