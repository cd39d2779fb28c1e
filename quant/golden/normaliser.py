"""The quotient of a normalised attention: query @ state over the token's weight (docs/blocks/linear_attention.md)."""

import numpy as np

from designs.number_format import IntFormat
from designs.schema import Design
from quant.golden.requantize import round_shift, saturate


def attention_weight(query: np.ndarray, key: np.ndarray) -> np.ndarray:
    """query, key int64 [..., tokens, embed_dim], not negative -> query . sum of keys, [..., tokens, 1]."""
    total = key.sum(axis=-2, keepdims=True)
    return query @ np.swapaxes(total, -1, -2)


def power_above(weight: np.ndarray) -> np.ndarray:
    """weight int64, not negative -> exponent of the smallest power of two that is not below it; 0 of a weight of 0.

    By counting the powers of two below the weight, which is how the exported graph does it and what a leading-one detector
    of `weight - 1` gives.
    """
    powers = np.int64(1) << np.arange(int(weight.max(initial=1)).bit_length(), dtype=np.int64)
    return (weight[..., None] > powers).sum(axis=-1)


def normalised(numerator: np.ndarray, weight: np.ndarray, shift: int, design: Design) -> np.ndarray:
    """``saturate(round_half_up(numerator * 2**shift / divisor))`` in the stream format.

    numerator int64 [..., tokens, embed_dim], weight int64 [..., tokens, 1], not negative. divide: the divisor is the weight, or
    1 where that is 0. shift: the smallest power of two not below that, so that the division is a right shift.
    """
    raised, out = numerator << shift, design.quant.stream
    if design.model.normaliser == "shift":
        return saturate(round_shift(raised, power_above(weight)), out)
    return saturate(_quotient_half_up(raised, np.maximum(weight, 1)), out)


def _quotient_half_up(numerator: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    """The exact quotient plus one half, rounded down: ties go up. `//` of integers rounds towards minus infinity."""
    return (2 * numerator + divisor) // (2 * divisor)


def numerator_bits(total: IntFormat, shift: int) -> int:
    """Bits of twice the raised numerator plus a divisor, the widest integer above; numerators are of the format `total`."""
    return total.bits + shift + 2
