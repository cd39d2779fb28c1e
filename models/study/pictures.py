"""The study's pictures: gain over shots for every method, and gain against TSR."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from models.study.comparing import gain
from models.study.experiments import EXPERIMENTS
from models.study.results import Result
from models.study.variant import TEACHER, Variant


def draw_gains(results: Sequence[Result], document: Path) -> Path:
    """Points over no distillation by shots, one line per method, over all recordings; the bars are 95 % intervals."""
    shots = sorted({result.shots for result in results})
    figure, axes = plt.subplots(figsize=(8, 4.5))
    for place, variant in enumerate(each for each in EXPERIMENTS["methods"]() if each.method != TEACHER and each != Variant()):
        points = []
        for count in shots:
            here = [result for result in results if result.shots == count]
            ours, plain = ([r for r in here if r.variant == str(one)] for one in (variant, Variant()))
            if found := gain(ours, plain):
                points.append((count * 1.015 ** (place - 5), found))
        if points:
            x, y = [at for at, _ in points], [100 * one.mean for _, one in points]
            ends = [(one.mean, one.mean) if math.isnan(one.low) else (one.low, one.high) for _, one in points]
            bars = [[value - 100 * low for value, (low, _) in zip(y, ends, strict=True)]]
            bars.append([100 * high - value for value, (_, high) in zip(y, ends, strict=True)])
            bold = variant.method == "tskd"
            axes.errorbar(x, y, bars, label=str(variant), lw=2.5 if bold else 1, capsize=2, zorder=3 if bold else 2)
    axes.axhline(0, color="black", lw=0.8)
    axes.set(xscale="log", xticks=shots, xticklabels=map(str, shots), xlabel="calibration shots", ylabel="gain, points")
    axes.minorticks_off()
    axes.legend(fontsize=7, ncols=2)
    return _saved(figure, document.with_name(f"{document.stem}_gain.svg"))


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
