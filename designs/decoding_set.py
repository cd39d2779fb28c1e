"""DecodingSet: the digitised recording and its labelled windows, the file at which training and hardware meet."""

from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from designs.array_archive import read_arrays
from designs.schema import GAIN_BITS, TokenizerSpec

PARTS = ("train", "validation", "test")


class DecodingSetError(ValueError):
    """A file that is no decoding set, or one whose parts do not fit together."""


@dataclass(frozen=True)
class DecodingSet:
    """Converter codes of whole streams and the windows that end at some of their tokens.

    Every stream is decoded from reset. A window is the `model.tokens` tokens that end with token `window_token` of stream
    `window_stream`. Streams of the test part hold no window of another part.
    """

    samples: np.ndarray
    """int16 [samples, channels]: all streams, one after the other."""
    stream_start: np.ndarray
    """int64 [streams]: first row of each stream in `samples`, ascending from 0."""
    window_stream: np.ndarray
    """int64 [windows]."""
    window_token: np.ndarray
    """int64 [windows]: index of the window's last token in its stream, from 0."""
    window_label: np.ndarray
    """int64 [windows]: class index."""
    window_part: np.ndarray
    """int64 [windows]: index into PARTS."""
    label_names: np.ndarray
    """str [classes]."""
    lsb_uv: np.ndarray
    """float64 []: microvolt per converter code."""
    sample_hz: np.ndarray
    """float64 []."""
    source: np.ndarray
    """str []: which recording this is."""
    window_target: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """float32 [windows, outputs] at each window's end, of a recording with behaviour instead of cues: its `window_label` are 0
    and `label_names` name the outputs. Empty where windows have labels."""
    preprocess_shift: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64 [channels]: each channel's gain as a power of two, calibrated on training sessions; `samples` are as they were
    before. Empty where the design does not preprocess."""
    preprocess_dead: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    """bool [channels]: dead in every training session. Empty where the design does not preprocess."""

    def __post_init__(self) -> None:
        windows, streams = len(self.window_label), len(self.stream_start)
        ok = (
            self.samples.ndim == 2
            and self.samples.dtype == np.int16
            and streams > 0
            and self.stream_start[0] == 0
            and bool((np.diff(np.append(self.stream_start, len(self.samples))) > 0).all())
            and all(len(column) == windows for column in (self.window_stream, self.window_token, self.window_part))
            and bool(((self.window_stream >= 0) & (self.window_stream < streams)).all())
            and bool(((self.window_part >= 0) & (self.window_part < len(PARTS))).all())
            and bool(((self.window_label >= 0) & (self.window_label < len(self.label_names))).all())
            and bool((self.window_token >= 0).all())
            and self.window_target.ndim == 2
            and (self.window_target.size == 0 or self.window_target.shape == (windows, len(self.label_names)))
            and bool(np.isfinite(self.window_target).all())
            and self.preprocess_shift.shape in ((0,), self.samples.shape[1:])
            and self.preprocess_shift.dtype == np.int64
            and bool(((self.preprocess_shift >= -GAIN_BITS) & (self.preprocess_shift <= GAIN_BITS)).all())
            and self.preprocess_dead.shape == self.preprocess_shift.shape
            and self.preprocess_dead.dtype == bool
        )
        if not ok:
            raise DecodingSetError("decoding set: its streams and windows do not fit together; prepare it again")

    @property
    def regression(self) -> bool:
        """Whether windows have targets instead of labels."""
        return self.window_target.size > 0

    @property
    def streams(self) -> list[np.ndarray]:
        """Every stream as int16 [samples, channels]."""
        return np.split(self.samples, self.stream_start[1:])

    def preprocessing(self, spec: TokenizerSpec) -> tuple[np.ndarray, np.ndarray] | None:
        """(shift, dead) by channel, None where `spec` has no preprocessing. DecodingSetError where the set was made for another
        tokenizer in this respect."""
        if (spec.preprocess is None) != (self.preprocess_shift.size == 0):
            has, holds = ("preprocesses", "holds no gains") if spec.preprocess else ("does not preprocess", "holds gains")
            raise DecodingSetError(f"decoding set of {self.source}: {holds}, but the design {has}; train it again")
        return (self.preprocess_shift, self.preprocess_dead) if spec.preprocess else None

    def windows_of(self, part: str) -> np.ndarray:
        """int64 indices of the windows of `part`."""
        return np.flatnonzero(self.window_part == PARTS.index(part))

    def test_streams(self) -> list[int]:
        """Indices of the streams that hold test windows, ascending."""
        return sorted(set(self.window_stream[self.windows_of("test")].tolist()))

    def save(self, path: Path) -> None:
        """Write as .npz under a temporary name, then rename: a half-written file is never found under `path`."""
        partial = path.with_suffix(".partial.npz")
        np.savez_compressed(partial, **{each.name: getattr(self, each.name) for each in fields(self)})
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> "DecodingSet":
        """Read what `save` wrote. Raises DecodingSetError with one line for anything else."""
        try:
            found = read_arrays(path)
            found.setdefault("window_target", np.zeros((0, 0), np.float32))  # files of classification may lack it,
            found.setdefault("preprocess_shift", np.zeros(0, np.int64))  # those of designs without preprocessing these
            found.setdefault("preprocess_dead", np.zeros(0, bool))
            return DecodingSet(**{each.name: found[each.name] for each in fields(DecodingSet)})
        except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
            raise DecodingSetError(f"{path.name}: not a readable decoding set ({error}); prepare it again") from error
