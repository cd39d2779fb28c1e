"""What an implant can do to converter codes before the wavelets, in integers and causally: scale, take off drift, mask.

    x > masked where dead > x - baseline > 2 ** shift > saturate > code

- Scaling: each channel by a power of two, learned at calibration: a shift on chip, no multiplier.
- Drift: x minus a leaky average of itself, one adder and one register per channel: `average += x - (average >> drift_bits)`.
- Dead channels: those constant in every training session, and any that has not changed for `dead_after` samples, from then on
  until it changes; both give zeros.
- No notch: as an integer filter it costs two multiplications per sample and channel, as much as half an octave of the bank. A
  line weaker than the signal mostly raises the magnitudes of one octave, which the tokens' standardisation takes off; a strong
  one has to be kept out before the converter. What a notch would gain has not been measured.

A stream may come in pieces of any length, down to single samples as on chip: the codes are the same to the last bit, and those
of quant.golden.preprocess and of the hardware (docs/blocks/preprocess.md).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from designs.decoding_set import DecodingSet
from designs.number_format import IntFormat
from designs.schema import GAIN_BITS, Design, PreprocessSpec
from models.recording import RecordingError, constant_channels

QUANTILE = 0.999
DRIFT_BELOW_HZ = 0.5
DEAD_AFTER_S = 2.0
PIECE = 4096
"""Samples that are worked on at a time: bounds memory."""


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
    """shift int64 [channels]: the gain is 2 ** shift, where negative with half-up rounding; dead bool [channels]."""

    shift: np.ndarray
    dead: np.ndarray
    spec: PreprocessSpec
    format: IntFormat

    def start(self) -> State:
        """The state after reset."""
        zeros = np.zeros(len(self.shift), np.int64)
        return State(zeros, zeros, zeros)

    def run(self, codes: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """codes int [samples, channels] -> codes int16 of the same shape and the state after them."""
        found = np.empty(codes.shape, np.int16)
        for begin in range(0, len(codes), PIECE):
            found[begin : begin + PIECE], state = self._run_piece(codes[begin : begin + PIECE].astype(np.int64), state)
        return found, state

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """A whole stream from reset."""
        return self.run(codes, self.start())[0]

    def _run_piece(self, codes: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """codes int64 [samples, channels], at least one sample."""
        still = self._still(codes, state)
        level, average = self._without_drift(codes, state)
        masked = np.where(self.dead | (still >= self.spec.dead_after), 0, self._scaled(level))
        return masked, State(average, codes[-1], still[-1], begun=True)

    def _still(self, codes: np.ndarray, state: State) -> np.ndarray:
        """Samples since each channel last changed, `dead_after` at most."""
        before = np.concatenate([state.last[None], codes[:-1]])
        changed = codes != before
        changed[0] |= not state.begun
        place = np.arange(len(codes))[:, None]
        last = np.maximum.accumulate(np.where(changed, place, -1), axis=0)
        return np.minimum(np.where(last < 0, state.still + 1 + place, place - last), self.spec.dead_after)

    def _without_drift(self, codes: np.ndarray, state: State) -> tuple[np.ndarray, np.ndarray]:
        """(codes minus the leaky average before each, the average after the last)."""
        bits = self.spec.drift_bits
        average = state.average if state.begun else codes[0] << bits
        if not bits:
            return codes, average
        level = np.empty_like(codes)
        for place, code in enumerate(codes):
            level[place] = code - (average >> bits)
            average = average + level[place]
        return level, average

    def _scaled(self, level: np.ndarray) -> np.ndarray:
        left, right = np.maximum(self.shift, 0), np.maximum(-self.shift, 0)
        half = (1 << right) >> 1
        return np.clip(((level << left) + half) >> right, self.format.min, self.format.max)


def suited_spec(sample_hz: float, *, drift: bool = True) -> PreprocessSpec:
    """What a design at this rate should write down: drift below DRIFT_BELOW_HZ goes, silence of DEAD_AFTER_S is death."""
    bits = max(1, math.ceil(math.log2(sample_hz / (2 * math.pi * DRIFT_BELOW_HZ)))) if drift else 0
    return PreprocessSpec(bits, round(DEAD_AFTER_S * sample_hz))


def preprocessed_streams(found: DecodingSet, design: Design) -> list[np.ndarray]:
    """Every stream of `found` as int16 [samples, channels], as spatial filter and wavelets see it: the converter's codes
    themselves where the design does not preprocess. DecodingSetError where the set was made for another tokenizer."""
    calibrated, spec = found.preprocessing(design.tokenizer), design.tokenizer
    if calibrated is None or spec.preprocess is None:
        return found.streams
    steps = Preprocessing(*calibrated, spec.preprocess, spec.sample)
    return [steps(codes) for codes in found.streams]


def calibrate_preprocessing(
    streams: list[np.ndarray], spec: PreprocessSpec, code: IntFormat, *, source: str = "calibration"
) -> Preprocessing:
    """From training streams of codes [samples, channels] alone: all but one in a thousand samples of a channel end below half
    of full scale, within a factor of two. RecordingError where no channel is alive."""
    still = np.stack([constant_channels(stream) for stream in streams])
    dead: np.ndarray = np.logical_and.reduce(still, axis=0)
    if dead.all():
        raise RecordingError(f"{source}: every channel is constant in the training part; check the recording")
    centre = Preprocessing(np.zeros(len(dead), np.int64), dead, spec, IntFormat(16))
    swing = np.zeros(len(dead))
    levels = [np.abs(centre(stream).astype(np.int64)) for stream in streams]
    for channel in np.flatnonzero(~dead):
        alive = np.concatenate([level[:, channel] for level, gone in zip(levels, still, strict=True) if not gone[channel]])
        swing[channel] = np.quantile(alive, QUANTILE)
    room = np.divide((code.max + 1) / 2, swing, out=np.ones(len(dead)), where=swing > 0)
    shift = np.clip(np.floor(np.log2(room)), -GAIN_BITS, GAIN_BITS).astype(np.int64)
    return replace(centre, shift=shift, format=code)
