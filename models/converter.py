"""The converter in front of the decoder: microvolt -> integer codes. One step size for all channels of a recording.

The electrodes are AC coupled: each channel's median over the training sessions is taken off. The step (`lsb_uv`) is chosen
from the training sessions alone, so that all but one in a thousand of their samples stay below half of full scale; whatever
a test session adds on top saturates, as in silicon.
"""

from dataclasses import dataclass

import numpy as np

from designs.number_format import IntFormat
from models.recording import Recording, RecordingError

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
        """samples [samples, channels], microvolt -> int16 of the same shape."""
        code = samples - self.offset_uv.astype(np.float32)
        code *= np.float32(1 / self.lsb_uv)
        code += np.float32(0.5)
        np.floor(code, out=code)
        np.clip(code, self.format.min, self.format.max, out=code)
        return code.astype(np.int16)


def calibrate(recording: Recording, train_sessions: list[int], sample_format: IntFormat) -> Converter:
    """The converter for `recording`, from the sessions with the indices `train_sessions` alone."""
    parts = [recording.sessions[i].samples for i in train_sessions]
    stride = max(1, sum(map(len, parts)) // ROWS_AT_MOST)
    seen = np.concatenate([part[::stride] for part in parts]).astype(np.float64)
    offset = np.median(seen, axis=0)
    swing = float(np.quantile(np.abs(seen - offset), QUANTILE))
    if swing == 0:
        raise RecordingError(f"{recording.source}: its training sessions hold no signal at all; check the recording")
    return Converter(offset, swing / ((sample_format.max + 1) / 2), sample_format)
