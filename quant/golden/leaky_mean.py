"""The mean of a decoder whose states run on: it forgets a share of itself with every token (docs/number_formats.md)."""

import numpy as np

from designs.number_format import IntFormat
from designs.schema import LEAK_SHIFT
from quant.golden.parameters import LeakShifts
from quant.golden.requantize import requantize


def leaky_mean(old: np.ndarray, new: np.ndarray, shifts: LeakShifts, out: IntFormat) -> np.ndarray:
    """old, new int64 of one shape -> ``old + (new - old) / 2 ** LEAK_SHIFT`` in `out`, the format of `old`, rounded once.

    One unit of the mean is worth 2 ** (kept - added) units of what is new.
    """
    three = (1 << LEAK_SHIFT) - 1
    return requantize((three * old << shifts.kept) + (new << shifts.added), shifts.kept + LEAK_SHIFT, out)


def leaky_means(new: np.ndarray, shifts: LeakShifts, out: IntFormat) -> np.ndarray:
    """new int64 [tokens, ...] -> the same shape in `out`: the mean after every token, which is 0 before the first."""
    found = np.zeros_like(new)
    mean = np.zeros_like(new[0]) if len(new) else new
    for token, each in enumerate(new):
        found[token] = mean = leaky_mean(mean, each, shifts, out)
    return found
