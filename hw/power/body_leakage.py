"""Leakage at body temperature from libraries that were not characterised there.

Two ways, which bracket it:

    corners:   typical x (hot / typical x V_typical / V_hot) ^ ((37 - T_typical) / (T_hot - T_typical))
    doubling:  typical x 2 ^ ((37 - T_typical) / DOUBLING_C)

The first passes an exponential through the leakage of the typical corner and of the hottest one, that one taken as proportional
to voltage. It is the lower one: the hot corner is a slow process, which leaks less than a typical one would at that heat, and
leakage falls faster than voltage does. The second is a rule of thumb for subthreshold currents near room temperature.
"""

from collections.abc import Sequence
from dataclasses import dataclass

BODY_C = 37.0
DOUBLING_C = 10.0
"""An assumption: subthreshold leakage doubles in 8 to 12 degC near room temperature."""


@dataclass(frozen=True)
class Leakage:
    """Of the whole decoder in one corner."""

    uw: float
    celsius: float
    volt: float


def by_corners(typical: Leakage, others: Sequence[Leakage]) -> float | None:
    """uW at 37 degC, or None where no corner is hotter than that."""
    hot = max(others, key=lambda corner: corner.celsius, default=typical)
    if hot.celsius <= BODY_C or typical.celsius >= hot.celsius:
        return None
    ratio = hot.uw / typical.uw * typical.volt / hot.volt
    return typical.uw * ratio ** ((BODY_C - typical.celsius) / (hot.celsius - typical.celsius))


def by_doubling(typical: Leakage) -> float:
    """uW at 37 degC."""
    return typical.uw * 2 ** ((BODY_C - typical.celsius) / DOUBLING_C)
