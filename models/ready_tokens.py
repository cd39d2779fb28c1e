"""Ready-made tokens, spike counts or features of short windows -> the integers that the decoder takes, one per channel.

Counts are taken as they are, halved as often as the busiest unit needs to fit. Features have no natural unit: each gets an
offset and a step of its own, so that its median lies in the middle of the format and `REACH` robust deviations at its ends.
"""

from dataclasses import dataclass

import numpy as np

from designs.number_format import IntFormat
from models.recording import Recording, constant_channels

REACH = 5.0
QUANTILE = 0.9999
IQR_OF_NORMAL = 1.349


@dataclass(frozen=True)
class TokenConverter:
    """code = saturate(floor((value - offset) / step + 1/2)) in `format`, per channel."""

    offset: np.ndarray
    """float64 [channels]."""
    step: np.ndarray
    """float64 [channels], positive."""
    format: IntFormat
    lsb_uv: float = 1.0
    """Tokens are no voltages; the decoding set wants a number here."""

    def codes(self, samples: np.ndarray) -> np.ndarray:
        """A whole session's values [samples, channels] -> int16 of the same shape."""
        code = np.floor((samples - self.offset) / self.step + 0.5)
        return np.clip(code, self.format.min, self.format.max).astype(np.int16)


def calibrate_tokens(recording: Recording, train_sessions: list[int], token: IntFormat) -> TokenConverter:
    """The converter for `recording`, from the sessions with the indices `train_sessions` alone."""
    seen = np.concatenate([recording.sessions[i].samples for i in train_sessions]).astype(np.float64)
    if recording.kind == "counts":
        busiest = np.quantile(seen, QUANTILE, axis=0).max(initial=0.0)
        halvings = max(0, int(np.ceil(np.log2((busiest + 1) / (token.max + 1)))))
        return TokenConverter(np.zeros(seen.shape[1]), np.full(seen.shape[1], 2.0**halvings), token)
    low, centre, high = np.quantile(seen, [0.25, 0.5, 0.75], axis=0)
    deviation = (high - low) / IQR_OF_NORMAL
    deviation = np.where(deviation > 0, deviation, seen.std(axis=0))
    deviation = np.where((deviation > 0) & ~constant_channels(seen), deviation, 1.0)
    step = 2 * REACH * deviation / (token.max + 1)
    return TokenConverter(centre - step * (token.max + 1) / 2, step, token)
