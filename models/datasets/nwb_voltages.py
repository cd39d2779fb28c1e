"""Voltages and labelled trials of an NWB file, through pynwb (see models.datasets.nwb_files)."""

from pathlib import Path

import numpy as np
from pynwb import NWBFile
from pynwb.ecephys import ElectricalSeries

from models.recording import Recording, RecordingError, Session

UV_PER_V = 1e6
DECIDE_AT_MOST_S = 4.0


def read_voltages(file: NWBFile, path: Path, task: str | None) -> Recording:
    """One session of the first electrical series, cued by the trials' start times. Raises RecordingError."""
    series = _series(file, path)
    rate = float(series.rate) if series.rate else float(1 / np.median(np.diff(series.timestamps[:1000])))
    start = float(series.starting_time or 0.0) if series.rate else float(series.timestamps[0])
    scale = float(series.conversion) * UV_PER_V
    samples = np.asarray(series.data[:], np.float32) * np.float32(scale) + np.float32(float(series.offset) * UV_PER_V)
    samples = samples.reshape(len(samples), -1)
    if file.trials is None:
        raise RecordingError(f"{path.name}: has voltages but no trials table; add trials with a label, or use another file")
    column = _column(file, path, task)
    names, label = np.unique([str(value) for value in file.trials[column][:]], return_inverse=True)
    begin, end = np.asarray(file.trials["start_time"][:]), np.asarray(file.trials["stop_time"][:])
    onset = np.round((begin - start) * rate).astype(np.int64)
    inside = (onset >= 0) & (onset < len(samples))
    return Recording(
        source=path.name,
        kind="voltage",
        sample_hz=rate,
        electrodes=tuple(f"E{i + 1}" for i in range(samples.shape[1])),
        label_names=tuple(str(name) for name in names),
        sessions=(Session(path.stem, samples, onset[inside], label[inside].astype(np.int64)),),
        decide_s=min(DECIDE_AT_MOST_S, float(np.median(end - begin))),
    )


def _series(file: NWBFile, path: Path) -> ElectricalSeries:
    holders = [file.acquisition, *(module.data_interfaces for module in file.processing.values())]
    for each in [value for holder in holders for value in holder.values()]:
        for series in [each, *(getattr(each, "electrical_series", None) or {}).values()]:
            if isinstance(series, ElectricalSeries):
                return series
    raise RecordingError(f"{path.name}: has neither units nor an electrical series; use another file")


def _column(file: NWBFile, path: Path, task: str | None) -> str:
    """The trials' column that labels them."""
    own = [name for name in file.trials.colnames if name not in ("start_time", "stop_time", "tags", "timeseries")]
    textual = [name for name in own if len(file.trials) and isinstance(file.trials[name][0], str)]
    column = task or next(iter(textual), "")
    if column not in own:
        raise RecordingError(
            f"{path.name}: its trials have no column {column!r} of labels; use one of {', '.join(own) or 'none'}"
        )
    return column
