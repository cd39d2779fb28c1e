"""PhysioNet EEG motor movement/imagery (eegmmidb), one subject as .npz of continuous runs.

Source: Schalk et al. 2004, Goldberger et al. 2000; terms ODC-By 1.0. 64 electrodes at 160 Hz, microvolt.
Layout: `fs`, `ch` [channels], `run03` ... `run14` int16 or float [channels, samples], `events` records (run, onset_s,
dur_s, code) with codes T0 rest, T1 left fist or both fists, T2 right fist or both feet.
Split: runs 3 to 10 train, 11 to 14 test, so that every kind of run has its third repetition in the test.
"""

from dataclasses import dataclass

import numpy as np

from models.datasets.archive import Archive, number
from models.recording import Recording, RecordingError, Session

KIND = "physionet_eegmmidb"
FIRST_TEST_RUN = 11
LEFT_RIGHT_RUNS, FISTS_FEET_RUNS = (3, 4, 7, 8, 11, 12), (5, 6, 9, 10, 13, 14)
DECIDE_S = 4.4


@dataclass(frozen=True)
class Task:
    """Which runs, and which class each code is."""

    runs: tuple[int, ...]
    classes: tuple[tuple[str, tuple[str, ...]], ...]


TASKS = {
    "fists_feet": Task(FISTS_FEET_RUNS, (("fists", ("T1",)), ("feet", ("T2",)))),
    "left_right": Task(LEFT_RIGHT_RUNS, (("left fist", ("T1",)), ("right fist", ("T2",)))),
    "rest_move": Task(tuple(sorted(LEFT_RIGHT_RUNS + FISTS_FEET_RUNS)), (("rest", ("T0",)), ("move", ("T1", "T2")))),
}


def matches(found: Archive) -> bool:
    """Continuous runs, electrode names, and event records with codes."""
    names = found["events"].dtype.names if "events" in found else None
    return names is not None and {"run", "onset_s", "code"} <= set(names) and any(_run_number(name) for name in found)


def tasks(found: Archive) -> list[str]:
    """Those of TASKS."""
    return list(TASKS)


def read(found: Archive, source: str, task: str | None) -> Recording:
    """One session per run of the task. Raises RecordingError."""
    chosen = task or "fists_feet"
    if chosen not in TASKS:
        raise RecordingError(f"{source}: task {chosen!r} is unknown; use one of {', '.join(TASKS)}")
    spec = TASKS[chosen]
    runs = {run: name for name in sorted(found) if (run := _run_number(name)) in spec.runs}
    if not any(run < FIRST_TEST_RUN for run in runs) or not any(run >= FIRST_TEST_RUN for run in runs):
        wanted = ", ".join(map(str, spec.runs))
        raise RecordingError(f"{source}: task {chosen} needs runs before {FIRST_TEST_RUN} and from it on, of {wanted}")
    sample_hz = number(found, "fs", source)
    sessions = tuple(_session(found, run, name, spec, sample_hz, source) for run, name in sorted(runs.items()))
    return Recording(
        source=f"{source}, {chosen}",
        kind="voltage",
        sample_hz=sample_hz,
        electrodes=tuple(str(name) for name in found["ch"]),
        label_names=tuple(name for name, _ in spec.classes),
        sessions=sessions,
        decide_s=DECIDE_S,
        test_sessions=tuple(session.name for session in sessions if int(session.name[3:]) >= FIRST_TEST_RUN),
    )


def _run_number(name: str) -> int | None:
    return int(name[3:]) if name.startswith("run") and name[3:].isdecimal() else None


def _session(found: Archive, run: int, name: str, spec: Task, sample_hz: float, source: str) -> Session:
    if found[name].ndim != 2:
        raise RecordingError(f"{source}: {name} has shape {list(found[name].shape)} where [channels, samples] is needed")
    events = found["events"][found["events"]["run"] == run]
    index = {code: i for i, (_, codes) in enumerate(spec.classes) for code in codes}
    events = events[np.isin(events["code"], list(index))]
    onset = np.round(events["onset_s"].astype(np.float64) * sample_hz).astype(np.int64)
    label = np.array([index[str(code)] for code in events["code"]], np.int64)
    return Session(name, found[name].T.astype(np.float32), onset, label)
