"""The converter in front of the decoder: microvolt -> integer codes. One step size for all channels of a recording.

The electrodes are AC coupled: each channel's median over the training sessions is taken off. A channel gives codes of 0
until it first changes, so a dead one gives nothing else, whatever its level; a session in which it is dead says nothing about
its median.

The step (`lsb_uv`) is chosen from the training sessions alone, so that all but one in a thousand of their samples stay below
half of full scale; whatever a test session adds on top saturates, as in silicon.
"""

from dataclasses import dataclass

import numpy as np

from designs.number_format import IntFormat
from models.recording import Recording, RecordingError, constant_channels

QUANTILE = 0.999
ROWS_AT_MOST = 200_000
"""Rows of a recording that the statistics look at, evenly spread."""


@dataclass(frozen=True)
class Converter:
    """code = saturate(floor((uv - offset_uv) / lsb_uv + 1/2)) in `format`: half up, like every rounding here."""

    offset_uv: np.ndarray
    """float64 [channels]."""
    lsb_uv: float
    format: IntFormat

    def codes(self, samples: np.ndarray) -> np.ndarray:
        """A whole session's samples [samples, channels], microvolt -> int16 of the same shape; 0 until a channel changes."""
        code = samples - self.offset_uv.astype(np.float32)
        code *= np.float32(1 / self.lsb_uv)
        code += np.float32(0.5)
        np.floor(code, out=code)
        np.clip(code, self.format.min, self.format.max, out=code)
        first = np.where(constant_channels(samples), len(samples), (samples != samples[0]).argmax(axis=0))
        code[: first.max()][np.arange(first.max())[:, None] < first] = 0
        return code.astype(np.int16)


def calibrate(recording: Recording, train_sessions: list[int], sample_format: IntFormat) -> Converter:
    """The converter for `recording`, from the sessions with the indices `train_sessions` alone."""
    parts = [recording.sessions[i].samples for i in train_sessions]
    stride = max(1, sum(map(len, parts)) // ROWS_AT_MOST)
    seen = np.concatenate([np.where(constant_channels(part), np.nan, part[::stride]) for part in parts]).astype(np.float64)
    alive = ~np.isnan(seen)
    offset = np.array([np.median(column[here]) if here.any() else 0.0 for column, here in zip(seen.T, alive.T, strict=True)])
    swing = float(np.quantile(np.abs(seen - offset)[alive], QUANTILE)) if alive.any() else 0.0
    if swing == 0:
        raise RecordingError(f"{recording.source}: its training sessions hold no signal at all; check the recording")
    return Converter(offset, swing / ((sample_format.max + 1) / 2), sample_format)
