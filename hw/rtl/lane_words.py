"""What the lanes of a loop read, parts of the same wires put together to one word per lane."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WORD_BITS_MAX = 32
"""Of a word made of several parts: what vector code takes as one element."""
_PART = re.compile(r"(\w+) ?\[(\d+)(?::(\d+))?\]")

Column = tuple[str, ...]
"""A name for every lane, each with or without an index, all of the same width."""


@dataclass(frozen=True)
class Word:
    """`bits` bits for every lane."""

    names: Column
    bits: int


@dataclass(frozen=True)
class Part:
    """Where in a word a column is found."""

    word: Word
    low: int


@dataclass(frozen=True)
class _Place:
    """Where in its wires a column is: the lowest bit in the first lane, the same distance from others' in every lane."""

    column: Column
    low: int
    high: int


def words_of(columns: Mapping[Column, int]) -> dict[Column, Part]:
    """Column -> its part of a word, for columns with their widths. Parts that overlap or touch in every lane share a word."""
    alike: dict[tuple[tuple[str, ...], tuple[int, ...]], list[_Place]] = defaultdict(list)
    for column, bits in columns.items():
        found = [_PART.match(name) for name in column]
        wires = tuple(str(match[1]) if match else name for match, name in zip(found, column, strict=True))
        lows = [int(match[3] or match[2]) if match else 0 for match in found]
        steps = tuple(low - lows[0] for low in lows)
        alike[wires, steps].append(_Place(column, lows[0], lows[0] + bits - 1))
    parts: dict[Column, Part] = {}
    for (wires, steps), places in alike.items():
        for run in _runs(places):
            low, high = run[0].low, max(place.high for place in run)
            names = tuple(f"{wire}[{high + step}:{low + step}]" for wire, step in zip(wires, steps, strict=True))
            word = Word(names if len(run) > 1 else run[0].column, high - low + 1)
            parts |= {place.column: Part(word, place.low - low) for place in run}
    return parts


def _runs(places: Sequence[_Place]) -> list[list[_Place]]:
    """Places from low to high, cut where there is a gap or a word would become too wide."""
    runs: list[list[_Place]] = []
    for place in sorted(places, key=lambda place: (place.low, place.high)):
        run = runs[-1] if runs else []
        joined = bool(run) and place.low <= max(other.high for other in run) + 1
        if joined and max(place.high, *(other.high for other in run)) - run[0].low < WORD_BITS_MAX:
            run.append(place)
        else:
            runs.append([place])
    return runs
