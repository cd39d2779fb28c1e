"""What an implant can do to converter codes before the wavelets, in integers and causally: scale, take off drift, mask.

    x > masked where dead > x - baseline > 2 ** shift > saturate > code

- Scaling: each channel by a power of two, learned at calibration: a shift on chip, no multiplier.
- Drift: x minus a leaky average of itself, one adder and one register per channel: `average += x - (average >> drift_bits)`.
- Dead channels: those constant in every training session, and any that has not changed for `dead_after` samples, from then on
  until it changes; both give zeros.
- No notch. A 50 Hz notch as integer filter costs two multiplications per sample and channel, as much as half an octave of the
  bank; a line that stays the same adds a constant to the magnitudes of one octave, which the tokens' standardisation takes off,
  and the paper's on-chip variant has none either.

A stream may come in pieces of any length, down to single samples as on chip: the codes are the same to the last bit.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from designs.number_format import IntFormat
from models.recording import RecordingError, constant_channels

QUANTILE = 0.999
SHIFT_AT_MOST = 8
DRIFT_BELOW_HZ = 0.5
DEAD_AFTER_S = 2.0


@dataclass(frozen=True)
class State:
    """What is kept between two samples. average int64 [channels], x times 2 ** drift_bits; last int64 [channels]; still int64
    [channels]: samples since the channel last changed; begun: whether there was a sample yet."""

    average: np.ndarray
    last: np.ndarray
    still: np.ndarray
    begun: bool = False


@dataclass(frozen=True)
class Preprocessing:
    """shift int64 [channels]: the gain is 2 ** shift, where negative with half-up rounding; dead bool [channels];
    drift_bits: time constant 2 ** drift_bits samples, 0 for none; dead_after: samples."""

    shift: np.ndarray
    dead: np.ndarray
    drift_bits: int
    dead_after: int
    format: IntFormat

    def start(self) -> State:
        """The state after reset."""
        zeros = np.zeros(len(self.shift), np.int64)
        return State(zeros, zeros, zeros)

    def run(self, codes: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """codes int [samples, channels] -> codes int16 of the same shape and the state after them."""
        found = np.empty(codes.shape, np.int16)
        for place, code in enumerate(codes.astype(np.int64)):
            found[place], state = self._step(code, state)
        return found, state

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """A whole stream from reset."""
        return self.run(codes, self.start())[0]

    def _step(self, code: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """One sample of every channel."""
        average = state.average if state.begun else code << self.drift_bits
        still = np.where((code == state.last) & state.begun, np.minimum(state.still + 1, self.dead_after), 0)
        level = code
        if self.drift_bits:
            level = code - (average >> self.drift_bits)
            average = average + level
        masked = np.where(self.dead | (still >= self.dead_after), 0, self._scaled(level))
        return masked, replace(state, average=average, last=code, still=still, begun=True)

    def _scaled(self, level: np.ndarray) -> np.ndarray:
        left, right = np.maximum(self.shift, 0), np.maximum(-self.shift, 0)
        half = (1 << right) >> 1
        return np.clip(((level << left) + half) >> right, self.format.min, self.format.max)


def calibrate_preprocessing(
    streams: list[np.ndarray], sample_hz: float, code: IntFormat, *, drift: bool = True, source: str = "calibration"
) -> Preprocessing:
    """From training streams of codes [samples, channels] alone: all but one in a thousand samples of a channel end below half
    of full scale, within a factor of two. RecordingError where no channel is alive."""
    still = np.stack([constant_channels(stream) for stream in streams])
    dead: np.ndarray = np.logical_and.reduce(still, axis=0)
    if dead.all():
        raise RecordingError(f"{source}: every channel is constant in the training part; check the recording")
    bits = max(1, math.ceil(math.log2(sample_hz / (2 * math.pi * DRIFT_BELOW_HZ)))) if drift else 0
    centre = Preprocessing(np.zeros(len(dead), np.int64), dead, bits, round(DEAD_AFTER_S * sample_hz), IntFormat(16))
    swing = np.zeros(len(dead))
    levels = [np.abs(centre(stream).astype(np.int64)) for stream in streams]
    for channel in np.flatnonzero(~dead):
        alive = np.concatenate([level[:, channel] for level, gone in zip(levels, still, strict=True) if not gone[channel]])
        swing[channel] = np.quantile(alive, QUANTILE)
    room = np.divide((code.max + 1) / 2, swing, out=np.ones(len(dead)), where=swing > 0)
    shift = np.clip(np.floor(np.log2(room)), -SHIFT_AT_MOST, SHIFT_AT_MOST).astype(np.int64)
    return replace(centre, shift=shift, format=code)
