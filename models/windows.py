"""Recording -> DecodingSet: streams of converter codes and the labelled windows in them.

Every session is one stream, decoded from reset: token k covers samples [k * token_samples, (k + 1) * token_samples). A cue's
window ends at the token boundary nearest to `decide_s` after it, a rule that looks at the cue alone. A test or validation cue
has that one window; a training cue also gets its neighbours, up to `spread` tokens earlier and later.
"""

from dataclasses import dataclass

import numpy as np

from designs.decoding_set import PARTS, DecodingSet
from designs.schema import Design
from models.converter import calibrate
from models.preprocessing import calibrate_preprocessing
from models.ready_tokens import calibrate_tokens
from models.recording import Recording, RecordingError, Session, fit_to_design
from models.splits import training_sessions, validation_start, with_test_sessions


@dataclass(frozen=True)
class WindowRows:
    """Windows of one stream, column by column (see DecodingSet)."""

    token: np.ndarray
    label: np.ndarray
    part: np.ndarray
    target: np.ndarray
    """float32 [windows, outputs], or [windows, 0] where windows have labels."""


def _labelled(token: np.ndarray, label: np.ndarray, part: np.ndarray) -> WindowRows:
    return WindowRows(token, label, part, np.zeros((len(token), 0), np.float32))


def end_tokens(onset: np.ndarray, decide_s: float, design: Design) -> np.ndarray:
    """onset int64 [cues] -> int64 [cues]: last token of each cue's window; it may lie outside the stream."""
    spec = design.tokenizer
    boundary = np.floor((onset + decide_s * spec.sample_hz) / spec.token_samples + 0.5).astype(np.int64)
    return boundary - 1


def history_tokens(design: Design) -> int:
    """Tokens before a window whose samples still reach into it through the tokenizer's filters.

    Not counted: the leaky average of preprocessing, which forgets exponentially, and its count of samples without a change.
    """
    spec = design.tokenizer
    if spec.ready:
        return 0
    reach = (spec.taps + 12) << (spec.octaves - 1)
    return -(-reach // spec.token_samples)


def spread_tokens(design: Design) -> int:
    """How far a training window may lie from its cue's own, in tokens."""
    return max(1, design.model.tokens // 4)


def decoding_set(recording: Recording, design: Design, spread: int | None = None) -> DecodingSet:
    """The windows of every part and the streams they lie in. Raises RecordingError where a part stays empty.

    spread: how far training windows may lie from their cue's own, in tokens; None: `spread_tokens`.
    """
    spread = spread_tokens(design) if spread is None else spread
    recording = with_test_sessions(fit_to_design(recording, design))
    train = training_sessions(recording)
    spec = design.tokenizer
    converter = calibrate_tokens(recording, train, spec.token) if spec.ready else calibrate(recording, train, spec.sample)
    codes = [converter.codes(session.samples) for session in recording.sessions]
    rows_of = _rows_with_targets if design.model.regression else _rows_with_labels
    rows = [rows_of(recording, i, i in train, design, spread) for i in range(len(recording.sessions))]
    calibrated = {}
    if spec.preprocess:
        steps = calibrate_preprocessing([codes[i] for i in train], spec.preprocess, spec.sample, source=recording.source)
        calibrated = {"preprocess_shift": steps.shift, "preprocess_dead": steps.dead}
    found = DecodingSet(
        samples=np.concatenate(codes),
        stream_start=np.cumsum([0, *(len(code) for code in codes[:-1])], dtype=np.int64),
        window_stream=np.repeat(np.arange(len(rows), dtype=np.int64), [len(row.token) for row in rows]),
        window_token=np.concatenate([row.token for row in rows]),
        window_label=np.concatenate([row.label for row in rows]),
        window_part=np.concatenate([row.part for row in rows]),
        label_names=np.array(_names(recording, design)),
        lsb_uv=np.array(converter.lsb_uv),
        sample_hz=np.array(recording.sample_hz),
        source=np.array(recording.source),
        window_target=np.concatenate([row.target for row in rows]) if design.model.regression else np.zeros((0, 0), np.float32),
        **calibrated,
    )
    _check_parts(found, recording, design)
    return found


def _names(recording: Recording, design: Design) -> tuple[str, ...]:
    if not design.model.regression:
        return recording.label_names
    return recording.target_names or tuple(f"target{i + 1}" for i in range(design.model.outputs))


def _rows_with_labels(recording: Recording, index: int, training: bool, design: Design, spread: int) -> WindowRows:
    return _training_rows(recording, index, design, spread) if training else _test_rows(recording, index, design)


def _rows_with_targets(recording: Recording, index: int, training: bool, design: Design, _spread: int) -> WindowRows:
    """A window at every token that has a whole window behind it and a target at its end; the last part of a training session
    validates, behind a gap of a window and the filters' history."""
    length = design.model.tokens
    token, target = known_moments(recording.sessions[index], design)
    part = np.full(len(token), PARTS.index("test"))
    if training:
        first = validation_start(len(token))
        part[:] = PARTS.index("train")
        part[first:] = PARTS.index("validation")
        kept = part == PARTS.index("validation")
        if first < len(token):
            kept |= token <= token[first] - length - max(length, history_tokens(design))
        token, target, part = token[kept], target[kept], part[kept]
    return WindowRows(token, np.zeros(len(token), np.int64), part, target)


def known_moments(session: Session, design: Design) -> tuple[np.ndarray, np.ndarray]:
    """(token int64 [windows], target float32 [windows, outputs]): every token that has a whole window behind it and known
    targets at its end."""
    size = design.tokenizer.token_samples
    assert session.targets is not None
    token = np.arange(design.model.tokens - 1, len(session.samples) // size)
    target = session.targets[(token + 1) * size - 1].astype(np.float32)
    known = np.isfinite(target).all(axis=1)
    return token[known], target[known]


def windows_inside(token: np.ndarray, samples: int, design: Design) -> np.ndarray:
    """token int64 of any shape, last tokens of windows -> bool: whether the window fits a stream of `samples`."""
    return (token >= design.model.tokens - 1) & (token < samples // design.tokenizer.token_samples)


def _test_rows(recording: Recording, index: int, design: Design) -> WindowRows:
    session = recording.sessions[index]
    token = end_tokens(session.onset, recording.decide_s, design)
    keep = windows_inside(token, len(session.samples), design)
    return _labelled(token[keep], session.label[keep], np.full(keep.sum(), PARTS.index("test")))


def _training_rows(recording: Recording, index: int, design: Design, spread: int) -> WindowRows:
    session = recording.sessions[index]
    order = np.argsort(session.onset, kind="stable")
    token, label = end_tokens(session.onset[order], recording.decide_s, design), session.label[order]
    inside = windows_inside(token, len(session.samples), design)
    token, label = token[inside], label[inside]
    first = validation_start(len(token))
    moved = (token[:first, None] + np.arange(-spread, spread + 1)).ravel()
    moved_label = np.repeat(label[:first], 2 * spread + 1)
    keep = windows_inside(moved, len(session.samples), design)
    if first < len(token):
        gap = max(design.model.tokens, history_tokens(design))
        keep &= moved <= token[first] - design.model.tokens - gap
    moved, moved_label = moved[keep], moved_label[keep]
    part = np.repeat([PARTS.index("train"), PARTS.index("validation")], [len(moved), len(token) - first])
    return _labelled(np.append(moved, token[first:]), np.append(moved_label, label[first:]), part)


def _check_parts(found: DecodingSet, recording: Recording, design: Design) -> None:
    for part in PARTS:
        if len(found.windows_of(part)) == 0:
            window_s = design.model.tokens * design.tokenizer.token_ms / 1000
            raise RecordingError(
                f"{recording.source}: no {part} window of {window_s:g} s fits its sessions; record longer, with more cues"
            )
    if design.model.regression:
        return
    missing = set(range(design.model.outputs)) - set(found.window_label[found.windows_of("train")].tolist())
    if missing:
        names = ", ".join(recording.label_names[i] for i in sorted(missing))
        raise RecordingError(f"{recording.source}: no training window of class {names}; use a recording with more cues")
