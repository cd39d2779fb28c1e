"""BCI Competition IV data set 4 as the competition's .mat files: raw ECoG and the flexion of five fingers.

Source: Schalk et al. 2007, Miller and Schalk 2008; said to be freely available for research, cite both. 1000 Hz, the
amplifier's units (not calibrated). `subN_comp.mat`: `train_data` [samples, channels], `train_dg` [samples, 5], `test_data`.
The competition gave the test flexion later, as `subN_testlabels.mat` with `test_dg`: put it beside the file.
Split: the test part is the competition's; where its flexion is not there, the last quarter of the training part.
"""

from pathlib import Path

import numpy as np
from pymatreader import read_mat

from designs.recording_files import competition_labels
from models.recording import Recording, RecordingError, Session

KIND = "bci4_ecog_mat"
SAMPLE_HZ = 1000.0
NEEDED = ("train_data", "train_dg")


def read(path: Path, task: str | None) -> Recording:
    """Sessions train and, where its flexion is known, test. Raises RecordingError."""
    if task not in (None, "flexion"):
        raise RecordingError(f"{path.name}: task {task!r} is unknown; use flexion")
    found = read_mat(str(path), variable_names=[*NEEDED, "test_data", "test_dg"])
    missing = [key for key in NEEDED if key not in found]
    if missing:
        raise RecordingError(f"{path.name}: a .mat file without {', '.join(missing)}; known is BCI Competition IV set 4 alone")
    labels = path.with_name(competition_labels(path.name))
    if "test_dg" not in found and labels != path and labels.is_file():
        found |= read_mat(str(labels), variable_names=["test_dg"])
    parts = ["train", *(["test"] if {"test_data", "test_dg"} <= set(found) else [])]
    channels = np.shape(found["train_data"])[-1]
    return Recording(
        source=path.name,
        kind="voltage",
        sample_hz=SAMPLE_HZ,
        electrodes=tuple(f"E{i + 1}" for i in range(channels)),
        label_names=(),
        sessions=tuple(_session(part, found[f"{part}_data"], found[f"{part}_dg"], path.name) for part in parts),
        decide_s=0.0,
        test_sessions=("test",) if "test" in parts else (),
    )


def _session(name: str, samples: np.ndarray, flexion: np.ndarray, source: str) -> Session:
    if samples.ndim != 2 or flexion.ndim != 2 or len(samples) != len(flexion):
        raise RecordingError(
            f"{source}: {name}_data {list(samples.shape)} and {name}_dg {list(flexion.shape)} do not fit together"
        )
    none = np.zeros(0, np.int64)
    return Session(name, samples.astype(np.float32), none, none, targets=flexion.astype(np.float32))
