"""The quantizers that are compared, by name: how scales are found, whose weights share one, what a scale may be, how many bits.

A row of the comparison is called ind_q:METHOD:SHARED:SCALE:WIDTHS, such as ind_q:lsq:per_channel:free:w4a4.
"""

import fnmatch
from dataclasses import dataclass
from itertools import product

from designs.number_format import IntFormat
from designs.schema import DesignError
from designs.widths import WIDTHS

ROW = "ind_q"
CALIBRATED = ("min_max", "percentile", "squared_error")
"""Methods whose scales are read off training windows; nothing is trained (quant.comparison.scales)."""
LEARNED = ("own", "pact", "lsq")
"""Methods whose scales and weights are fine-tuned. own: the project's (quant.quantizers), which begins as squared_error."""
METHODS = (*CALIBRATED, *LEARNED)
SHARED = ("per_tensor", "per_channel")
"""Whether a layer's weights have one scale, or one for each output. Activations have one per boundary."""
SCALES = ("power_of_two", "free")


@dataclass(frozen=True)
class Family:
    """What one row quantizes with."""

    method: str
    per_channel: bool
    power_of_two: bool

    @property
    def learned(self) -> bool:
        return self.method in LEARNED

    @property
    def of_the_product(self) -> bool:
        """Whether the decoder of this row is what quant.train_qat exports, and the hardware runs."""
        return self.method == "own" and not self.per_channel and self.power_of_two

    @property
    def in_octaves(self) -> bool:
        """Whether the logarithm of a range is learned, not the range: everywhere but in PACT and LSQ, whose authors learn it
        in the linear domain; a power of two has no other."""
        return self.power_of_two or self.method not in ("pact", "lsq")


def row_name(family: Family, weight_bits: int, activation_bits: int) -> str:
    """Its name in a table; `read_name` reads it back."""
    shared, scale = SHARED[family.per_channel], SCALES[not family.power_of_two]
    return f"{ROW}:{family.method}:{shared}:{scale}:w{weight_bits}a{activation_bits}"


def read_name(model: str) -> tuple[Family, IntFormat, IntFormat]:
    """Name of a row -> (family, format of the weights, of the activations); DesignError names what is unknown."""
    parts = model.split(":")
    widths = tuple(f"w{weight}a{activation}" for weight, activation in WIDTHS)
    choices = ((ROW,), METHODS, SHARED, SCALES, widths)
    if len(parts) != len(choices):
        raise DesignError(f"model {model!r} is no quantizer; use {ROW}:METHOD:SHARED:SCALE:WIDTHS, as {EXAMPLE}")
    for part, allowed in zip(parts, choices, strict=True):
        if part not in allowed:
            raise DesignError(f"model {model!r}: {part!r} is unknown; use one of {', '.join(allowed)}")
    weight, activation = WIDTHS[widths.index(parts[4])]
    return Family(parts[1], parts[2] == SHARED[1], parts[3] == SCALES[0]), IntFormat(weight), IntFormat(activation)


EXAMPLE = row_name(Family("lsq", per_channel=True, power_of_two=False), 4, 4)


def every_row() -> tuple[str, ...]:
    """Every method with every kind of scale at every width."""
    kinds = product(METHODS, (False, True), (True, False), WIDTHS)
    return tuple(row_name(Family(method, channel, power), *widths) for method, channel, power, widths in kinds)


def rows_like(pattern: str) -> tuple[str, ...]:
    """ind_q: `studied_rows`; a pattern with *, such as ind_q:own:*: every row that it fits; else the name itself. DesignError
    where a pattern fits none."""
    if pattern == ROW:
        return studied_rows()
    if "*" not in pattern:
        return (pattern,)
    found = tuple(fnmatch.filter(every_row(), pattern))
    if not found:
        raise DesignError(f"model {pattern!r} fits no quantizer; use {ROW}:METHOD:SHARED:SCALE:WIDTHS, * in any place of them")
    return found


def studied_rows() -> tuple[str, ...]:
    """What is worth the time: every method at every width with the cheapest scales (one power of two per tensor) and with the
    finest (a free one per channel); those between the two where it matters, at 4 bits."""
    found = []
    for row in every_row():
        family, weight, activation = read_name(row)
        if family.per_channel != family.power_of_two or (weight.bits, activation.bits) == (4, 4):
            found.append(row)
    return tuple(found)
