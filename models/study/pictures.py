"""The study's pictures: gain over shots for every method, and gain against TSR."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from models.study.comparing import gain
from models.study.experiments import EXPERIMENTS
from models.study.results import Result
from models.study.variant import CALIBRATED, TEACHER, Variant


def draw_gains(results: Sequence[Result], document: Path) -> Path:
    """Points over no distillation by shots: a panel per row that has several, a line per method."""
    rows = [row for row in dict.fromkeys(r.row for r in results) if len({r.shots for r in results if r.row == row}) > 1]
    rows = rows or list(dict.fromkeys(r.row for r in results))
    figure, panels = plt.subplots(1, len(rows), figsize=(3.4 * len(rows) + 1.6, 4), squeeze=False)
    colours = plt.get_cmap("tab20")
    variants = [each for each in EXPERIMENTS["methods"]() if each.method != TEACHER and each != Variant()]
    for axes, row in zip(panels[0], rows, strict=True):
        here = [result for result in results if result.row == row]
        shots = sorted({result.shots for result in here})
        for place, variant in enumerate(variants):
            points = [(count, _gain_at(here, variant, count)) for count in shots]
            drawn = [(count, 100 * won) for count, won in points if won is not None]
            line = "-" if variant.trained_on == CALIBRATED else "--"
            bold = variant == Variant(method="tskd")
            if drawn:
                x, y = zip(*drawn, strict=True)
                axes.plot(
                    x, y, line, color="black" if bold else colours(place), marker=".", lw=3 if bold else 1, label=str(variant)
                )
        axes.axhline(0, color="black", lw=0.8)
        axes.set(title=row, xscale="log", xticks=shots, xticklabels=map(str, shots), xlabel="calibration shots")
        axes.minorticks_off()
    panels[0][0].set_ylabel("gain over no distillation, points")
    panels[0][-1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.02, 1))
    return _saved(figure, document.with_name(f"{document.stem}_gain.svg"))


def _gain_at(results: Sequence[Result], variant: Variant, shots: int) -> float | None:
    ours, plain = ([r for r in results if r.shots == shots and r.variant == str(one)] for one in (variant, Variant()))
    found = gain(ours, plain)
    return None if found is None else found.mean


def draw_tsr(points: Sequence[tuple[str, float, float]], document: Path) -> Path:
    """(row, TSR, gain): one colour per row."""
    figure, axes = plt.subplots(figsize=(8, 4.5))
    for row in dict.fromkeys(point[0] for point in points):
        own = [(tsr, 100 * won) for name, tsr, won in points if name == row]
        axes.scatter([tsr for tsr, _ in own], [won for _, won in own], 8, alpha=0.5, label=row)
    axes.axhline(0, color="black", lw=0.8)
    axes.set(xlabel="TSR of the projection", ylabel="gain over no distillation, points")
    axes.legend(fontsize=7)
    return _saved(figure, document.with_name(f"{document.stem}_tsr.svg"))


def _saved(figure: plt.Figure, path: Path) -> Path:
    partial = path.with_name(f".{path.name}")
    with matplotlib.rc_context({"svg.hashsalt": "study"}):
        figure.savefig(partial, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    partial.replace(path)
    return path
