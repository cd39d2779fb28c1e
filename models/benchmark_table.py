"""Results of cells as a table: mean and spread over seeds, as Markdown, CSV and one picture."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np

from models.benchmark_cells import Cell, Result

COLUMNS = (
    "recording",
    "protocol",
    "model",
    "measure",
    "mean",
    "spread",
    "seeds",
    "folds",
    "test_windows",
    "parameters",
    "macs_per_decision",
    "train_s",
)


@dataclass(frozen=True)
class Row:
    """One line. mean: over folds, then over seeds; spread: standard deviation over seeds of the mean over folds.

    parameters, macs_per_decision: the largest of the folds; train_s: processor time of one training, mean.
    """

    recording: str
    protocol: str
    model: str
    measure: str
    mean: float
    spread: float
    seeds: int
    folds: int
    test_windows: int
    parameters: int
    macs_per_decision: int
    train_s: float


def table_rows(found: Iterable[tuple[Cell, Result]]) -> list[Row]:
    """Rows in the order in which recording, protocol and model first come."""
    groups: dict[tuple[str, str, str], list[tuple[Cell, Result]]] = {}
    for cell, result in found:
        groups.setdefault((cell.row, cell.protocol, cell.model), []).append((cell, result))
    return [_row(name, cells) for name, cells in groups.items()]


def _row(name: tuple[str, str, str], cells: list[tuple[Cell, Result]]) -> Row:
    seeds = sorted({cell.seed for cell, _ in cells})
    by_seed = [[result for cell, result in cells if cell.seed == seed] for seed in seeds]
    means = [np.mean([result.value for result in results]) for results in by_seed]
    results = [result for _, result in cells]
    return Row(
        *name,
        measure=results[0].measure,
        mean=float(np.mean(means)),
        spread=float(np.std(means)),
        seeds=len(seeds),
        folds=len(by_seed[0]),
        test_windows=sum(result.test_windows for result in by_seed[0]),
        parameters=max(result.parameters for result in results),
        macs_per_decision=max(result.macs for result in results),
        train_s=float(np.mean([result.train_s for result in results])),
    )


def markdown(rows: list[Row]) -> str:
    """The table for a document."""
    columns = ["recording", "protocol", "model", "measure", "mean", "spread", "test windows"]
    columns += ["parameters", "MACs per decision", "train, CPU s"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        cost = f"{row.test_windows:,} | {row.parameters:,} | {row.macs_per_decision:,} | {row.train_s:.1f}"
        lines.append(
            f"| {row.recording} | {row.protocol} | {row.model} | {row.measure} | {row.mean:.3f} | {row.spread:.3f} | {cost} |"
        )
    return "\n".join(lines) + "\n"


def comma_separated(rows: list[Row]) -> str:
    """The table for a spreadsheet, numbers in full."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([[getattr(row, column) for column in COLUMNS] for row in rows])
    return text.getvalue()


def draw(rows: list[Row], path: Path) -> None:
    """One panel per recording and protocol: a bar per model, its spread as a whisker."""
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    panels: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        panels.setdefault((row.recording, row.protocol), []).append(row)
    height = 0.6 * len(panels) + 0.26 * len(rows) + 0.4
    figure = Figure(figsize=(7.5, height), layout="constrained")
    ratios = [len(panel) + 1 for panel in panels.values()]
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=ratios)[:, 0]
    for axis, ((recording, protocol), panel) in zip(axes, panels.items(), strict=True):
        places = np.arange(len(panel))[::-1]
        axis.barh(places, [row.mean for row in panel], xerr=[row.spread for row in panel], color="#4477aa", height=0.7)
        axis.set_yticks(places, [row.model for row in panel], fontsize=8)
        axis.set_title(f"{recording}, {protocol}: {panel[0].measure}", fontsize=9, loc="left")
        axis.set_xlim(min(0.0, *(row.mean - row.spread for row in panel)), 1.0)
        axis.tick_params(axis="x", labelsize=8)
        for place, row in zip(places, panel, strict=True):
            axis.text(max(row.mean + row.spread, 0) + 0.01, place, f"{row.mean:.3f}", va="center", fontsize=8)
    figure.savefig(path, dpi=150)


def write_table(rows: list[Row], folder: Path) -> list[Path]:
    """benchmark.md, benchmark.csv and benchmark.png in `folder`, each whole or absent."""
    contents = {"benchmark.md": markdown(rows), "benchmark.csv": comma_separated(rows)}
    written = []
    for name, content in contents.items():
        partial = folder / f".{name}.partial"
        partial.write_text(content, encoding="utf-8")
        written.append(partial.replace(folder / name))
    partial = folder / ".benchmark.partial.png"
    draw(rows, partial)
    return [*written, partial.replace(folder / "benchmark.png")]
