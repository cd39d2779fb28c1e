"""The comparison's picture: mean over recordings against energy per decision, a line per method and kind of scale."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from quant.comparison.measured import Line

MARKERS = {"per_tensor": "o", "per_channel": "s"}
STYLES = {"power_of_two": "-", "free": "--"}


def draw(lines: Sequence[Line], path: Path) -> None:
    """Of lines with mean and energy; the float decoder's mean is a level. The file is whole or as it was."""
    figure, axes = plt.subplots(figsize=(9, 5.5))
    shown = [line for line in lines if line.mean is not None and line.floor_nj is not None]
    methods = list(dict.fromkeys(line.method for line in shown))
    for kind in dict.fromkeys((line.method, line.shared, line.scale) for line in shown):
        method, shared, scale = kind
        own = [line for line in shown if (line.method, line.shared, line.scale) == kind]
        points = sorted((line.floor_nj or 0.0, line.mean or 0.0, line.widths) for line in own)
        colour = f"C{methods.index(method)}"
        (curve,) = axes.plot([x for x, _, _ in points], [y for _, y, _ in points], color=colour, ms=4, lw=1)
        curve.set(linestyle=STYLES[scale], marker=MARKERS[shared], label=", ".join(kind))
        for x, y, widths in points:
            axes.annotate(widths, (x, y), (3, 3), textcoords="offset points", fontsize=5, color=colour)
    for line in lines:
        if line.method == "float" and line.mean is not None:
            axes.axhline(line.mean, color="black", lw=0.8, label="float")
    axes.set(xlabel="floor with requantizers, nJ per decision of a decoder of ind_int4's size", ylabel="mean over recordings")
    axes.legend(fontsize=6, ncols=2)
    partial = path.with_name(f".{path.name}")
    with matplotlib.rc_context({"svg.hashsalt": "quantizers"}):
        figure.savefig(partial, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    partial.replace(path)
