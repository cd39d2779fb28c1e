"""Samples freed of drift, scaled per channel, zero where a channel is dead (docs/blocks/preprocess.md)."""

import numpy as np

from designs.schema import GAIN_BITS, TokenizerSpec
from quant.golden.parameters import PreprocessParameters


def preprocess(samples: np.ndarray, parameters: PreprocessParameters, spec: TokenizerSpec) -> np.ndarray:
    """samples [samples, channels] in `spec.sample` format, from reset -> int64 of the same shape and format.

    ``out = 0 where dead, else saturate(((sample - average) * 2 ** (GAIN_BITS + shift) + half) >> GAIN_BITS)``, half up.
    """
    assert spec.preprocess is not None
    samples = np.asarray(samples, np.int64)
    dead = (still_samples(samples) >= spec.preprocess.dead_after) | (parameters.dead != 0)
    scaled = samples - leaky_average(samples, spec.preprocess.drift_bits)
    scaled <<= GAIN_BITS + parameters.shift  # whole streams are long: in place
    scaled += 1 << (GAIN_BITS - 1)
    scaled >>= GAIN_BITS
    scaled[dead] = 0
    return np.clip(scaled, spec.sample.min, spec.sample.max, out=scaled)


def leaky_average(samples: np.ndarray, drift_bits: int) -> np.ndarray:
    """int64 [samples, channels] -> the average that each sample meets: the first sample at first, then, rounded down, a sum
    that gains ``sample - average`` with every sample and weighs 2 ** drift_bits of it. Zero where drift_bits is 0."""
    found = np.zeros(samples.shape, np.int64)
    if not (drift_bits and len(samples)):
        return found
    total = samples[0] << drift_bits
    for average, sample in zip(found, samples, strict=True):
        np.right_shift(total, drift_bits, out=average)
        total += sample
        total -= average
    return found


def still_samples(samples: np.ndarray) -> np.ndarray:
    """[samples, channels] -> int32 of the same shape: samples since the channel last changed; its first sample is a change."""
    place = np.arange(len(samples), dtype=np.int32)[:, None]
    changed = np.ones(samples.shape, bool)
    changed[1:] = samples[1:] != samples[:-1]
    last = np.where(changed, place, np.int32(0))
    np.maximum.accumulate(last, axis=0, out=last)
    return np.subtract(place, last, out=last)
