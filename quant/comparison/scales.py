"""Which scale a method gives to values that it has seen: the last word of calibrated methods, where learned ones begin."""

import torch
from torch import Tensor

from designs.number_format import IntFormat
from quant.comparison.family import Family

SHARE_KEPT = 0.999
"""Of the percentile method, and of activations where PACT begins: this share of the magnitudes fits the range."""
OCTAVES_TRIED, STEPS_PER_OCTAVE = 8, 8
"""Of squared_error: how far below the largest value's scale it looks, and how finely where scales are free."""
SAMPLE_VALUES = 200_000


def found_scale(values: Tensor, fmt: IntFormat, family: Family, *, activation: bool = False) -> Tensor:
    """values [rows, values], of weights or of an activation, rows of one scale each -> [rows], positive; powers of two where
    the family's scales are."""
    method = family.method
    if method == "pact":  # within the range nothing says how it should move, so some activations are beyond it from the start
        method = "percentile" if activation else "min_max"
    if values.shape[1] > SAMPLE_VALUES and method != "min_max":
        values = values[:, :: values.shape[1] // SAMPLE_VALUES + 1]
    if method in ("squared_error", "own"):
        found = least_squared_error(values, fmt, family.power_of_two)
    elif method == "percentile":
        found = rounded_up(values.abs().quantile(SHARE_KEPT, dim=1) / fmt.max, family.power_of_two)
    elif method == "lsq":  # 2 mean |v| / sqrt(Q), as its authors start; the quantizer rounds to a power of two
        found = 2 * values.abs().mean(dim=1) / fmt.max**0.5
    else:  # min_max
        found = rounded_up(values.abs().amax(dim=1) / fmt.max, family.power_of_two)
    return torch.where(found > 0, found, 2.0**-fmt.bits)


def rounded_up(scale: Tensor, power_of_two: bool) -> Tensor:
    """A power of two is chosen so that the range still holds what it has to hold; 0 stays 0."""
    return torch.where(scale > 0, scale.log2().ceil().exp2(), scale) if power_of_two else scale


def least_squared_error(values: Tensor, fmt: IntFormat, power_of_two: bool) -> Tensor:
    """[rows]: of the scales tried, the one whose rounded and clipped values are closest; a power of two is what
    quant.calibrate.best_exponent finds."""
    largest = values.abs().amax(dim=1) / fmt.max
    per_octave = 1 if power_of_two else STEPS_PER_OCTAVE
    best, least = rounded_up(largest, power_of_two), torch.full_like(largest, torch.inf)
    top = best.clamp_min(torch.finfo(values.dtype).tiny)
    for step in range(OCTAVES_TRIED * per_octave):
        scale = top * 2.0 ** (-step / per_octave)
        rounded = torch.floor(values / scale[:, None] + 0.5).clamp(fmt.min, fmt.max) * scale[:, None]
        error = ((rounded - values) ** 2).sum(dim=1)
        best, least = torch.where(error < least, scale, best), torch.minimum(error, least)
    return torch.where(largest > 0, best, 0.0)
