"""Stall patterns: when a testbench's sources hold values back and its sinks are not ready. Deterministic by seed."""

import random
from collections.abc import Callable, Iterator

Stall = Callable[[int], Iterator[bool]]
"""seed -> endless sequence, one entry per cycle: True where the stream may move."""


def never(seed: int) -> Iterator[bool]:
    """No stall at all: full speed."""
    while True:
        yield True


def half(seed: int) -> Iterator[bool]:
    """A coin per cycle."""
    coin = random.Random(seed)
    while True:
        yield coin.random() < 0.5


def bursts(seed: int) -> Iterator[bool]:
    """Runs of 1 to 24 moving cycles, then 1 to 24 stalled ones."""
    dice = random.Random(seed)
    moving = bool(seed & 1)
    while True:
        for _ in range(dice.randint(1, 24)):
            yield moving
        moving = not moving


STALLS: dict[str, Stall] = {pattern.__name__: pattern for pattern in (never, half, bursts)}
ALL: tuple[Stall, ...] = tuple(STALLS.values())
