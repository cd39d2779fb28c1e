"""What models.benchmark measured of rows ind_q:..., each beside the energy of its widths and scales."""

import csv
from dataclasses import dataclass
from pathlib import Path

from designs.width_energy import WidthEnergies
from quant.comparison.family import ROW, SCALES, SHARED, every_row, read_name

FLOAT = "ind"
"""The benchmark's row of the float decoder that all others begin with."""
COLUMNS = ("recording", "protocol", "model", "measure", "mean")
"""Of the benchmark's table, what is read."""


class TableError(ValueError):
    """A benchmark that no table can be made of; one line."""


@dataclass(frozen=True)
class Line:
    """One row of the table. means: by column, those that the benchmark has; energies in nJ per decision, None where nothing is
    built in these widths and scales, or at all in float."""

    method: str
    shared: str
    scale: str
    widths: str
    means: dict[str, float]
    mean: float | None
    """Over all columns, None where one is missing."""
    floor_nj: float | None = None
    built_nj: float | None = None


def read_means(path: Path) -> dict[str, dict[str, float]]:
    """benchmark.csv -> model -> column -> mean; a column: a recording under a protocol, its measure. Raises TableError."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        found: dict[str, dict[str, float]] = {}
        several = {row["recording"] for row in rows for other in rows if _differs(row, other)}
        for row in rows:
            protocol = f" {row['protocol']}" if row["recording"] in several else ""
            found.setdefault(row["model"], {})[f"{row['recording']}{protocol}, {row['measure']}"] = float(row["mean"])
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        wanted = ", ".join(COLUMNS)
        raise TableError(f"{path}: is no benchmark.csv of models.benchmark ({error}); it needs columns {wanted}") from error
    if not any(model.startswith(f"{ROW}:") for model in found):
        raise TableError(f"{path}: has no row {ROW}:...; run models.benchmark with --models {every_row()[0]},...")
    return found


def _differs(row: dict[str, str], other: dict[str, str]) -> bool:
    return row["recording"] == other["recording"] and row["protocol"] != other["protocol"]


def table_lines(means: dict[str, dict[str, float]], energies: WidthEnergies) -> list[Line]:
    """The float decoder if it was measured, then every row in the order of `every_row`. Raises DesignError for a name that is
    no quantizer, WidthEnergyError for widths without energy."""
    for model in means:
        if model.startswith(f"{ROW}:"):
            read_name(model)
    columns = columns_of(means)
    return [_line(model, means[model], columns, energies) for model in (FLOAT, *every_row()) if model in means]


def columns_of(means: dict[str, dict[str, float]]) -> list[str]:
    """Those that a row has, in their order."""
    return list(dict.fromkeys(column for model, own in means.items() if model.startswith(f"{ROW}:") for column in own))


def _line(model: str, own: dict[str, float], columns: list[str], energies: WidthEnergies) -> Line:
    mean = sum(own[column] for column in columns) / len(columns) if all(column in own for column in columns) else None
    if model == FLOAT:
        return Line("float", "", "", "", own, mean)
    family, weight, activation = read_name(model)
    energy = energies.of(weight.bits, activation.bits)
    floor = energy.floor_with(per_channel=family.per_channel, power_of_two=family.power_of_two)
    as_built = family.power_of_two and not family.per_channel
    built = energy.built_nj if as_built else None
    shared, scale = SHARED[family.per_channel], SCALES[not family.power_of_two]
    return Line(family.method, shared, scale, f"w{weight.bits}a{activation.bits}", own, mean, floor, built)
