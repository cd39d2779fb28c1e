"""Glitch factors: how many more toggles there are with cell delays than without, per block."""

from collections.abc import Sequence

import numpy as np

from hw.power.netlist import Netlist

LEAST_TOGGLES = 200
"""A block with fewer counted toggles takes the whole netlist's factor."""


def logic_nets(netlist: Netlist, blocks: Sequence[str]) -> list[str | None]:
    """By net: the block of the logic cell that drives it; None for registers, memories, clock gates and inputs."""
    found: list[str | None] = [None] * netlist.nets
    for instance, block in zip(netlist.instances, blocks, strict=True):
        if instance.cell.kind == "logic":
            for pin, net in instance.pins.items():
                if instance.cell.pin(pin).direction == "output":
                    found[net] = block
    return found


def glitch_factors(
    delayed: np.ndarray, settled: np.ndarray, load_pf: np.ndarray, block_of_net: Sequence[str | None]
) -> dict[str, float]:
    """Block -> factor: toggles with delays over toggles without, both weighted by what their nets load; "" for the whole."""
    names = np.array([block or "" for block in block_of_net])
    logic = np.array([block is not None for block in block_of_net])
    nets = len(names)
    with_delays, without = delayed[:nets] * load_pf, settled[:nets] * load_pf
    factors = {"": _ratio(with_delays[logic].sum(), without[logic].sum(), 1.0)}
    for block in sorted(set(names[logic])):
        chosen = logic & (names == block)
        enough = settled[:nets][chosen].sum() >= LEAST_TOGGLES
        factors[block] = _ratio(with_delays[chosen].sum(), without[chosen].sum(), factors[""]) if enough else factors[""]
    return factors


def _ratio(above: float, below: float, otherwise: float) -> float:
    return max(1.0, float(above / below)) if below > 0 else otherwise


def factor_by_net(factors: dict[str, float], block_of_net: Sequence[str | None]) -> np.ndarray:
    """float [nets]: the block's factor on nets that logic drives, 1 elsewhere."""
    return np.array([factors[block] if block is not None else 1.0 for block in block_of_net])
