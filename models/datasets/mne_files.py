"""EDF, BDF, GDF, BrainVision and FIF files through MNE-Python, with their annotations as labels.

Source and licence: whatever the file's laboratory says. MNE-Python: Gramfort et al. 2013 (BSD-3-Clause).
A file is one session, with the files that it is split into; a folder of such files, of one subject, is one recording with a
session per file, in the order of names.
Task: the annotations to decode, joined by `+`, and the seconds from a cue to the decision behind `@`: `left+right@4`. Without
one, every annotation that comes twice counts as a class, and the decision comes after the annotations' own duration; where they
have none, after the shortest time between two cues, 4 s at most. Split: models.splits' default.
"""

import warnings
from pathlib import Path

import mne
import numpy as np

from designs.recording_files import MNE_SUFFIXES, recording_files, session_files
from models.recording import Recording, RecordingError, Session

KIND = "MNE"
CHANNEL_TYPES = ("eeg", "ecog", "seeg", "dbs")
IGNORED = ("bad", "edge", "new segment", "boundary")
DECIDE_AT_MOST_S = 4.0
UV_PER_V = 1e6

Cues = list[tuple[str, float, float]]
"""Name, onset in seconds from the first sample, duration in seconds."""


def read(path: Path, task: str | None) -> Recording:
    """The file, or the folder's files, as one recording. Raises RecordingError, PlaceError, or whatever MNE says of a
    damaged file."""
    recording_files(path, task)  # refuses a header that names files elsewhere
    files = [path] if path.is_file() else session_files(path)
    if not files:
        raise RecordingError(f"{path.name}: a folder without recordings; known are files in {', '.join(MNE_SUFFIXES)}")
    return recording_of([(file.stem, read_raw(file)) for file in files], path.name, task)


def read_raw(path: Path) -> mne.io.BaseRaw:
    """The file's samples in memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mne.io.read_raw(path, preload=True, verbose="ERROR")


def recording_of(raws: list[tuple[str, mne.io.BaseRaw]], source: str, task: str | None) -> Recording:
    """(name, continuous signal) of every session -> the recording of its annotations. Raises RecordingError."""
    later = {part for _, raw in raws for part in raw.filenames[1:]}  # of a split file: read with its first part
    raws = [(name, raw) for name, raw in raws if raw.filenames[0] not in later]
    wanted, _, seconds = (task or "").partition("@")
    cues = [annotated_cues(raw) for _, raw in raws]
    labels = _labels(cues, wanted, source)
    cues = [[cue for cue in session if cue[0] in labels] for session in cues]
    names = _electrodes([raw for _, raw in raws], source)
    rates = sorted({float(raw.info["sfreq"]) for _, raw in raws})
    if len(rates) > 1:
        raise RecordingError(
            f"{source}: sessions sampled at {', '.join(f'{rate:g}' for rate in rates)} Hz; resample to one rate"
        )
    return Recording(
        source=source,
        kind="voltage",
        sample_hz=rates[0],
        electrodes=tuple(names),
        label_names=tuple(_plain(label) for label in labels),
        sessions=tuple(_session(name, raw, names, found, labels) for (name, raw), found in zip(raws, cues, strict=True)),
        decide_s=_decide_s(cues, seconds, source) if labels else 0.0,
    )


def annotated_cues(raw: mne.io.BaseRaw) -> Cues:
    """The annotations that may be cues, by time."""
    found = [(str(each["description"]), float(each["onset"]), float(each["duration"])) for each in raw.annotations]
    shift = raw.first_time if raw.annotations.orig_time is not None else 0.0
    kept = [(name, onset - shift, s) for name, onset, s in found if not _plain(name).lower().startswith(IGNORED)]
    return sorted(kept, key=lambda cue: cue[1])


def _plain(name: str) -> str:
    """BrainVision files write Comment/left or Stimulus/S  1."""
    head, slash, tail = name.partition("/")
    return tail if slash and head in ("Comment", "Stimulus", "Response", "New Segment") and tail else name


def _labels(cues: list[Cues], wanted: str, source: str) -> list[str]:
    """Descriptions that are classes: those of the task, in its order, else all that come twice, by name."""
    names = [name for session in cues for name, _, _ in session]
    if not wanted:
        return sorted({name for name in names if names.count(name) > 1})
    by_plain = {_plain(name): name for name in names} | {name: name for name in names}
    missing = [name for name in wanted.split("+") if name not in by_plain]
    if missing:
        known = ", ".join(sorted({_plain(name) for name in names})) or "none"
        raise RecordingError(f"{source}: has no annotation {', '.join(missing)}; use some of {known}, joined by +")
    return [by_plain[name] for name in wanted.split("+")]


def _decide_s(cues: list[Cues], seconds: str, source: str) -> float:
    if seconds:
        try:
            return float(seconds)
        except ValueError as error:
            raise RecordingError(f"{source}: @{seconds} is not a number of seconds; write left+right@4") from error
    lasting = [duration for session in cues for _, _, duration in session if duration > 0]
    if lasting:
        return float(np.median(lasting))
    gaps = [gap for session in cues for gap in np.diff([onset for _, onset, _ in session]) if gap > 0]
    return float(min([*gaps, DECIDE_AT_MOST_S]))


def _electrodes(raws: list[mne.io.BaseRaw], source: str) -> list[str]:
    """Channels of electrodes that every session has, in the order of the first."""
    having = [
        [name for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True) if kind in CHANNEL_TYPES]
        for raw in raws
    ]
    names = [name for name in having[0] if all(name in other for other in having[1:])]
    if not names:
        raise RecordingError(
            f"{source}: has no channel of {', '.join(CHANNEL_TYPES)} in all its sessions; set the channel types"
        )
    return names


def _session(name: str, raw: mne.io.BaseRaw, electrodes: list[str], cues: Cues, labels: list[str]) -> Session:
    rate = float(raw.info["sfreq"])
    samples = (raw.get_data(picks=electrodes).T * UV_PER_V).astype(np.float32)
    onset = np.round(np.array([onset for _, onset, _ in cues]) * rate).astype(np.int64)
    label = np.array([labels.index(name) for name, _, _ in cues], np.int64)
    return Session(name, samples, onset, label)
