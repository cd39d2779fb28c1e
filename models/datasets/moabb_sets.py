"""Any motor-imagery set of MOABB by its class name: `moabb:BNCI2014_001`, `moabb:PhysionetMI#1`, one subject per task.

Source and licence: each set's own, in its MOABB docstring; MOABB: Jayaram and Barachant 2018, Aristimunha et al. 2023 (BSD-3).
BNCI2014_001 is BCI Competition IV 2a, BNCI2014_004 is 2b (Tangermann et al. 2012, Leeb et al. 2007), PhysionetMI is eegmmidb
(Schalk et al. 2004, Goldberger et al. 2000). MOABB downloads, shows its progress and keeps the files.

A session here is one continuous run there. The window is the set's own interval after each event. Split: the sessions that
MOABB calls test; else its last session; of a set with one session, the last run of each kind of run, told by its labels.
"""

from collections.abc import Callable

import mne
import moabb.datasets
import numpy as np
from moabb.datasets.base import BaseDataset

from models.recording import Recording, RecordingError, Session

KIND = "MOABB"
PREFIX = "moabb:"
CHANNEL_TYPES = ("eeg", "ecog", "seeg", "dbs")
Runs = dict[tuple[str, str], mne.io.BaseRaw]
"""(session, run) -> signal."""


def known_sets() -> dict[str, Callable[[], BaseDataset]]:
    """MOABB's motor-imagery sets by class name."""
    found = {name: getattr(moabb.datasets, name) for name in dir(moabb.datasets)}
    return {name: made for name, made in found.items() if isinstance(made, type) and issubclass(made, BaseDataset)}


def make(place: str) -> BaseDataset:
    """The set that `moabb:NAME` names. Raises RecordingError."""
    name, sets = place.removeprefix(PREFIX), known_sets()
    if name not in sets:
        near = [known for known in sorted(sets) if known.lower()[:4] == name.lower()[:4]] or ["BNCI2014_001", "PhysionetMI"]
        raise RecordingError(f"{place}: MOABB has no set {name!r}; use its class name, such as {', '.join(near[:6])}")
    dataset = sets[name]()
    if dataset.paradigm != "imagery":
        raise RecordingError(f"{place}: is a set of {dataset.paradigm}, not of motor imagery; use BNCI2014_001 or the like")
    return dataset


def tasks(place: str) -> list[str]:
    """One per subject."""
    return [str(subject) for subject in make(place).subject_list]


def read(place: str, task: str | None) -> Recording:
    """One subject, the first by default. Raises RecordingError."""
    return read_set(make(place), place, task)


def read_set(dataset: BaseDataset, place: str, task: str | None) -> Recording:
    """One subject of `dataset`. Raises RecordingError, or whatever MOABB says where it cannot get the files."""
    chosen = task or str(dataset.subject_list[0])
    numbered = {str(subject): subject for subject in dataset.subject_list}
    if chosen not in numbered:
        raise RecordingError(f"{place}: has no subject {chosen!r}; use one of {', '.join(list(numbered)[:12])}")
    found = dataset.get_data([numbered[chosen]])[numbered[chosen]]
    runs: Runs = {(session, run): raw for session, parts in found.items() for run, raw in parts.items()}
    first = next(iter(runs.values()))
    electrodes = [name for name, kind in zip(first.ch_names, first.get_channel_types(), strict=True) if kind in CHANNEL_TYPES]
    labels = sorted(dataset.event_id)
    sessions = {key: _session(key, raw, electrodes, labels, dataset) for key, raw in runs.items()}
    begin, end = dataset.interval
    return Recording(
        source=f"{place.removeprefix(PREFIX)} subject {chosen}",
        kind="voltage",
        sample_hz=float(first.info["sfreq"]),
        electrodes=tuple(electrodes),
        label_names=tuple(labels),
        sessions=tuple(sessions.values()),
        decide_s=float(end - begin),
        test_sessions=tuple(sessions[key].name for key in _test_runs(sessions)),
    )


def _session(
    key: tuple[str, str], raw: mne.io.BaseRaw, electrodes: list[str], labels: list[str], dataset: BaseDataset
) -> Session:
    number = {dataset.event_id[label]: i for i, label in enumerate(labels)}
    if "stim" in raw.get_channel_types():
        events = mne.find_events(raw, shortest_event=0, verbose="ERROR")
    else:
        events, _ = mne.events_from_annotations(raw, event_id=dataset.event_id, verbose="ERROR")
    events = events[np.isin(events[:, 2], list(number))]
    onset = events[:, 0].astype(np.int64) - raw.first_samp + round(dataset.interval[0] * raw.info["sfreq"])
    label = np.array([number[code] for code in events[:, 2]], np.int64)
    samples = (raw.get_data(picks=electrodes).T * dataset.unit_factor).astype(np.float32)
    inside = (onset >= 0) & (onset < len(samples))
    return Session(f"session {key[0]} run {key[1]}", samples, onset[inside], label[inside])


def _test_runs(sessions: dict[tuple[str, str], Session]) -> list[tuple[str, str]]:
    names = list(dict.fromkeys(session for session, _ in sessions))
    if len(names) > 1:
        named = [name for name in names if "test" in name] or names[-1:]
        return [key for key in sessions if key[0] in named]
    last: dict[tuple[int, ...], tuple[str, str]] = {}
    repeats: dict[tuple[int, ...], int] = {}
    for key, session in sessions.items():
        kind = tuple(np.unique(session.label).tolist())
        last[kind], repeats[kind] = key, repeats.get(kind, 0) + 1
    return [key for kind, key in last.items() if repeats[kind] > 1]
