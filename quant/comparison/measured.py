"""What models.benchmark measured of rows ind_q:..., each beside the energy of its widths and scales."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from designs.width_energy import WidthEnergies
from models.metrics import WORST_R2
from quant.comparison.family import ROW, SCALES, SHARED, every_row, read_name

FLOAT = "ind"
"""The benchmark's row of the float decoder that all others begin with."""
COLUMNS = ("recording", "protocol", "model", "measure", "mean", "spread", "seeds")
"""Of the benchmark's table, what is read."""


class TableError(ValueError):
    """A benchmark that no table can be made of; one line."""


@dataclass(frozen=True)
class Cell:
    """Mean over seeds and folds, and its standard deviation over seeds, None of one seed."""

    mean: float
    spread: float | None = None


@dataclass(frozen=True)
class Line:
    """One row of the table. cells: by column, those that the benchmark has; energies in nJ per decision, None where nothing is
    built in these widths and scales, or at all in float."""

    method: str
    shared: str
    scale: str
    widths: str
    cells: dict[str, Cell]
    mean: float | None
    """Over all columns, each WORST_R2 at least; None where one is missing."""
    floor_nj: float | None = None
    built_nj: float | None = None


def read_means(paths: Sequence[Path]) -> dict[str, dict[str, Cell]]:
    """benchmark.csv, one or several -> model -> column -> cell; a column: a recording under a protocol, its measure. Raises
    TableError."""
    rows = [row for path in paths for row in _rows(path)]
    protocols: dict[str, set[str]] = {}
    for row in rows:
        protocols.setdefault(row.recording, set()).add(row.protocol)
    found: dict[str, dict[str, Cell]] = {}
    for row in rows:
        protocol = f" {row.protocol}" if len(protocols[row.recording]) > 1 else ""
        found.setdefault(row.model, {})[f"{row.recording}{protocol}, {row.measure}"] = row.cell
    if not any(model.startswith(f"{ROW}:") for model in found):
        raise TableError(f"{paths[0]}: has no row {ROW}:...; run models.benchmark with --models ind,{ROW}")
    return found


class _Row(NamedTuple):
    recording: str
    protocol: str
    model: str
    measure: str
    cell: Cell


def _rows(path: Path) -> list[_Row]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [_row(given) for given in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        wanted = ", ".join(COLUMNS)
        raise TableError(f"{path}: is no benchmark.csv of models.benchmark ({error}); it needs columns {wanted}") from error


def _row(given: dict[str, str]) -> _Row:
    recording, protocol, model, measure, mean, spread, seeds = (given[name] for name in COLUMNS)
    found, between = float(mean), float(spread)
    return _Row(recording, protocol, model, measure, Cell(found, between if int(seeds) > 1 else None))


def table_lines(means: dict[str, dict[str, Cell]], energies: WidthEnergies) -> list[Line]:
    """The float decoder if it was measured, then every row in the order of `every_row`. Raises DesignError for a name that is
    no quantizer, WidthEnergyError for widths without energy."""
    for model in means:
        if model.startswith(f"{ROW}:"):
            read_name(model)
    columns = columns_of(means)
    return [_line(model, means[model], columns, energies) for model in (FLOAT, *every_row()) if model in means]


def columns_of(means: dict[str, dict[str, Cell]]) -> list[str]:
    """Those that a row has, in their order."""
    return list(dict.fromkeys(column for model, own in means.items() if model.startswith(f"{ROW}:") for column in own))


def _line(model: str, own: dict[str, Cell], columns: list[str], energies: WidthEnergies) -> Line:
    there = all(column in own for column in columns)
    mean = sum(max(WORST_R2, own[column].mean) for column in columns) / len(columns) if there else None
    if model == FLOAT:
        return Line("float", "", "", "", own, mean)
    family, weight, activation = read_name(model)
    energy = energies.of(weight.bits, activation.bits)
    floor = energy.floor_with(per_channel=family.per_channel, power_of_two=family.power_of_two)
    as_built = family.power_of_two and not family.per_channel
    built = energy.built_nj if as_built else None
    shared, scale = SHARED[family.per_channel], SCALES[not family.power_of_two]
    return Line(family.method, shared, scale, f"w{weight.bits}a{activation.bits}", own, mean, floor, built)
