"""exactness.json: how many integers were compared at every boundary between two models, and the first that differs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


class ExactnessError(ValueError):
    """An exactness.json that cannot be read; one line."""


@dataclass(frozen=True)
class Mismatch:
    """The first value that differs: in which window, at which index of the boundary's shape."""

    window: int
    index: tuple[int, ...]
    expected: int
    found: int


@dataclass(frozen=True)
class Row:
    """One boundary of designs.layer_table.streams between one pair of models, "brevitas = golden"."""

    boundary: str
    pair: str
    windows: int
    values: int
    mismatches: int
    first: Mismatch | None


def read_exactness(path: Path) -> tuple[Row, ...]:
    """Rows of an exactness.json. Raises ExactnessError with one line for anything else, an empty comparison included."""
    try:
        rows = tuple(_row(entry) for entry in json.loads(path.read_text())["rows"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExactnessError(f"{path}: not a readable exactness.json ({error!r})") from error
    if not rows or any(row.values == 0 for row in rows):
        raise ExactnessError(f"{path}: compares nothing at some boundary; a check that checks nothing has not passed")
    return rows


def _row(entry: dict) -> Row:
    first = entry["first"]
    found = None
    if first is not None:
        index = tuple(int(i) for i in first["index"])
        found = Mismatch(int(first["window"]), index, int(first["expected"]), int(first["found"]))
    if (entry["mismatches"] > 0) != (found is not None):
        raise ValueError(f"boundary {entry['boundary']} has {entry['mismatches']} mismatches but first={first}")
    return Row(entry["boundary"], entry["pair"], int(entry["windows"]), int(entry["values"]), int(entry["mismatches"]), found)


def first_difference(design: str, rows: Iterable[Row]) -> str | None:
    """One line that names pair, layer, window, token, index and both values of the first mismatch; None if all is equal."""
    wrong = [row for row in rows if row.mismatches]
    if not wrong:
        return None
    row = wrong[0]
    assert row.first is not None
    where = f"window {row.first.window}, "
    if len(row.first.index) > 1:
        where += f"token {row.first.index[0]}, index {row.first.index[-1]}"
    else:
        where += f"index {row.first.index[0] if row.first.index else 0}"
    total = sum(r.mismatches for r in wrong)
    return (
        f"{design}: {row.pair} does not hold at {row.boundary}: {where}: expected {row.first.expected}, found "
        f"{row.first.found} ({total} of {sum(r.values for r in wrong)} values differ at {len(wrong)} boundaries)"
    )


def matrix(rows: Sequence[Row]) -> tuple[list[str], list[str], dict[tuple[str, str], Row]]:
    """Boundaries and pairs in the order of first appearance, and the row of each (boundary, pair)."""
    boundaries = list(dict.fromkeys(row.boundary for row in rows))
    pairs = list(dict.fromkeys(row.pair for row in rows))
    return boundaries, pairs, {(row.boundary, row.pair): row for row in rows}
