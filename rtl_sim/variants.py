"""Which block variant a simulation is about: chosen outside the simulator, found again by the testbench inside."""

import os
import warnings
from collections.abc import Callable, Mapping

from amaranth import UnusedElaboratable
from amaranth.lib import wiring

VARIANT = "IND_BLOCK_VARIANT"

Variants = Mapping[str, Callable[[], wiring.Component]]
"""Every testbench rtl_sim/tb_X.py has `VARIANTS`: name -> a function that makes the component in that variant."""


def block_under_test(variants: Variants) -> wiring.Component:
    """The component that the simulator runs, made once more from the testbench's `VARIANTS` for its parameters and ports."""
    warnings.filterwarnings("ignore", category=UnusedElaboratable)  # here it serves as a description only
    name = os.environ.get(VARIANT, "")
    if name not in variants:
        raise RuntimeError(
            f"variant {name!r} is none of {', '.join(variants)}; start testbenches with python -m rtl_sim.runner"
        )
    return variants[name]()
