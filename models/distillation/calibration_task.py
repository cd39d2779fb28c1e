"""The windows of a calibration fold, as the student's tokens and as the signal that its teacher reads.

Both end at the same sample. The teacher reads the converter's codes of exactly the samples of the window's tokens, each channel
divided by its deviation; of counts and features, which come as tokens, the tokens themselves, standardised.

Who may look at what: converter, spatial filter and scale of targets come from the offline sessions alone, so that a teacher is
the same for every number of shots. Sessions are standardised apart: offline windows by what they show, those of the new session
by its calibration windows, for the student as on an implant, and for a teacher of voltages, whose electrodes' gains drift
likewise. Counts and features of one session keep one scale. Test sessions give nothing but test windows.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from designs.decoding_set import PARTS, DecodingSet
from designs.schema import Design
from models.distillation.calibration_folds import CalibrationFold
from models.recipes import calibration_recipe
from models.recording import Recording, RecordingError, fit_to_design
from models.spatial_filter import fit_spatial_filter
from models.standardise import Standardisation, fit_standardisation
from models.train import fit_targets
from models.window_tensors import WindowTensors, seen_tokens, stream_tokens, window_tensors
from models.windows import decoding_set, end_tokens, known_moments, windows_inside

OFFLINE, CALIBRATION, TEST = "offline", "calibration", "test"


@dataclass(frozen=True)
class Places:
    """Where windows end, and what is wanted there. stream, token, label int64 [windows]; target float32 [windows, outputs], or
    [windows, 0] of cues."""

    stream: np.ndarray
    token: np.ndarray
    label: np.ndarray
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.token)


@dataclass(frozen=True)
class CalibrationTask:
    """What a teacher learns from, and a student calibrates on and is tested on.

    student, signal, mixed: tokens, signal and signal behind the spatial filter, each as windows by part, offline, calibration
    and test, standardised and in the same order; label int64 [windows], or float32 [windows, outputs], standardised by
    `targets`. found: the student's decoding set, for what comes behind training: its train windows are the calibration's, and
    with so few trials its validation windows are these trials' own once more. trials: cues of the calibration, or shots of
    behaviour.
    """

    design: Design
    found: DecodingSet
    student: dict[str, WindowTensors]
    signal: dict[str, WindowTensors]
    mixed: dict[str, WindowTensors]
    standardisation: Standardisation
    signal_standardisation: Standardisation
    targets: Standardisation | None
    spatial: Tensor | None
    electrodes: tuple[str, ...]
    trials: int

    def read(self, reads: str) -> dict[str, WindowTensors]:
        """What a student sees that reads "tokens", "signal" or "mixed" (models.distillation.student)."""
        return {"tokens": self.student, "signal": self.signal, "mixed": self.mixed}[reads]

    @property
    def outputs(self) -> int:
        return self.design.model.outputs

    @property
    def signal_hz(self) -> float:
        """Rows of the teacher's signal per second."""
        return float(self.found.sample_hz)

    @property
    def signal_shape(self) -> tuple[int, int]:
        """(rows, channels) of a window of the teacher's signal."""
        return self.signal[OFFLINE].rows.shape[1], self.signal[OFFLINE].tokens.shape[1]


def calibration_task(fold: CalibrationFold, design: Design, *, spread: int | None = None) -> CalibrationTask:
    """The windows of `fold` for `design`; RecordingError where a part stays empty or lacks a class.

    spread: how far windows of offline and calibration may lie from their cue's own, in tokens; None: as students calibrate
    (models.recipes), and so does whoever trains their teacher.
    """
    recipe = calibration_recipe(design, seed=0)
    spread = (recipe.spread or 0) if spread is None else spread
    recording = fit_to_design(fold.recording, design)
    new = (*fold.calibration, *recording.test_sessions)
    base = decoding_set(replace(recording, test_sessions=new), design, spread)  # its converter sees offline sessions alone
    offline = _places(recording, fold.sessions(fold.offline), design, spread)
    calibration, own = (_places(recording, fold.sessions(fold.calibration), design, moves) for moves in (spread, 0))
    test = _places(recording, fold.sessions(recording.test_sessions), design, 0)
    for part, places in ((OFFLINE, offline), (CALIBRATION, calibration), (TEST, test)):
        _check(part, places, recording, design)
    of_teacher = _with_windows(base, {"train": offline})
    found = _with_windows(base, {"train": calibration, "validation": own, "test": test})
    spatial = None
    if design.tokenizer.spatial:
        spatial = fit_spatial_filter(of_teacher, design, recipe.patterns)
    tokens = stream_tokens(found, design, spatial=spatial)
    sources = {OFFLINE: (of_teacher, "train"), CALIBRATION: (found, "train"), TEST: (found, "test")}
    student = {part: window_tensors(source, tokens, name, design) for part, (source, name) in sources.items()}
    signal = {part: signal_windows(source, name, design) for part, (source, name) in sources.items()}
    targets = fit_targets(student[OFFLINE])
    old, standardisation = (fit_standardisation(seen_tokens(student[part])) for part in (OFFLINE, CALIBRATION))
    of_signal, of_new = _signal_standardisations(signal, design)
    heard = mixed = _standardised(signal, of_signal, of_new, targets)
    if spatial is not None:
        behind = {part: replace(each, tokens=each.tokens @ spatial.T) for part, each in signal.items()}
        mixed = _standardised(behind, *_signal_standardisations(behind, design), targets)
    return CalibrationTask(
        design,
        found,
        _standardised(student, old, standardisation, targets),
        heard,
        mixed,
        standardisation,
        of_signal,
        targets,
        spatial,
        recording.electrodes,
        fold.shots if design.model.regression else len(own),
    )


def signal_windows(found: DecodingSet, part: str, design: Design) -> WindowTensors:
    """The samples of the windows of `part`, in converter codes: `tokens` are samples [samples, channels] of all streams."""
    chosen, size, length = found.windows_of(part), design.tokenizer.token_samples, design.model.tokens
    end = found.stream_start[found.window_stream[chosen]] + (found.window_token[chosen] + 1) * size
    rows = end[:, None] + np.arange(-length * size, 0)
    label = torch.from_numpy(found.window_target[chosen] if found.regression else found.window_label[chosen])
    return WindowTensors(torch.from_numpy(found.samples).float(), torch.from_numpy(rows), label)


def _places(recording: Recording, sessions: list[int], design: Design, spread: int) -> Places:
    of_one = _moments if design.model.regression else _cues
    found = [of_one(recording, i, design, spread) for i in sessions]
    return Places(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _cues(recording: Recording, index: int, design: Design, spread: int) -> tuple[np.ndarray, ...]:
    session, moves = recording.sessions[index], np.arange(-spread, spread + 1)
    token = (end_tokens(session.onset, recording.decide_s, design)[:, None] + moves).ravel()
    inside = windows_inside(token, len(session.samples), design)
    token, label = token[inside], np.repeat(session.label, len(moves))[inside]
    return np.full(len(token), index), token, label, np.zeros((len(token), 0), np.float32)


def _moments(recording: Recording, index: int, design: Design, _spread: int) -> tuple[np.ndarray, ...]:
    token, target = known_moments(recording.sessions[index], design)
    return np.full(len(token), index), token, np.zeros(len(token), np.int64), target


def _with_windows(base: DecodingSet, parts: dict[str, Places]) -> DecodingSet:
    """The streams of `base` with other windows."""
    every = list(parts.values())
    return replace(
        base,
        window_stream=np.concatenate([each.stream for each in every]),
        window_token=np.concatenate([each.token for each in every]),
        window_label=np.concatenate([each.label for each in every]),
        window_target=np.concatenate([each.target for each in every]),
        window_part=np.repeat([PARTS.index(part) for part in parts], [len(each) for each in every]),
    )


def _signal_standardisations(signal: dict[str, WindowTensors], design: Design) -> tuple[Standardisation, Standardisation]:
    """(of the offline windows, of the new session's). Voltages keep their level, which the converter took off already;
    ready-made tokens have a level of their own, and one scale for all sessions."""
    if design.tokenizer.ready:
        found = fit_standardisation(seen_tokens(signal[OFFLINE]))
        return found, found
    return _deviations(signal[OFFLINE]), _deviations(signal[CALIBRATION])


def _deviations(windows: WindowTensors) -> Standardisation:
    found = seen_tokens(windows).double().std(dim=0, correction=0).float()
    return Standardisation(torch.zeros_like(found), torch.where(found > 0, found, 1.0))


def _standardised(
    parts: dict[str, WindowTensors], old: Standardisation, new: Standardisation, targets: Standardisation | None
) -> dict[str, WindowTensors]:
    """Offline windows by `old`, the new session's by `new`, over the same rows each."""
    return {part: each.standardised(old if part == OFFLINE else new, targets) for part, each in parts.items()}


def _check(part: str, places: Places, recording: Recording, design: Design) -> None:
    if len(places) == 0:
        raise RecordingError(f"{recording.source}: no {part} window fits its sessions; use fewer shots or a longer recording")
    missing = set() if design.model.regression else set(range(design.model.outputs)) - set(places.label.tolist())
    if missing and part != TEST:
        names = ", ".join(recording.label_names[i] for i in sorted(missing))
        raise RecordingError(f"{recording.source}: no {part} window of class {names}; use another number of shots")
