"""Pictures of a report, as SVG text that depends on nothing but the numbers."""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2933", "#52606d", "#e4e7eb"
COLOURS = {"memories": "#1c4f8c", "registers": "#4a90d9", "clock": "#e0a030", "logic": "#7fb77e", "leakage": "#9aa5b1"}
"""Kinds of a block's power and area, in the order they are stacked."""
GOOD, BAD = "#2b6cb0", "#c05621"
STYLE: Any = {
    "svg.hashsalt": "report",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


def breakdown(rows: Mapping[str, Mapping[str, float]], unit: str) -> str:
    """One bar per block, made of its kinds (logic, registers, clock, memories, leakage), largest block on top."""
    names = sorted(rows, key=lambda name: sum(rows[name].values()))
    kinds = [kind for kind in COLOURS if any(row.get(kind, 0.0) > 0 for row in rows.values())]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.9 + 0.3 * len(names)), layout="constrained")
        axes = figure.subplots()
        start = np.zeros(len(names))
        for kind in kinds:
            values = np.array([rows[name].get(kind, 0.0) for name in names])
            axes.barh(names, values, left=start, height=0.68, color=COLOURS[kind], label=kind, edgecolor="white", linewidth=0.6)
            start += values
        for place, value in enumerate(start):
            axes.text(value + start.max() * 0.01, place, f"{value:.3g}", va="center", fontsize=9, color=MUTED)
        axes.set_xlabel(unit)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.set_xlim(0, start.max() * 1.12)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.legend(frameon=False, loc="lower right")
        return _svg(figure)


def confusion(label: np.ndarray, decided: np.ndarray, names: Sequence[str]) -> str:
    """label, decided int [windows] -> share of each class's windows by decided class."""
    classes = len(names)
    count = np.zeros((classes, classes), int)
    np.add.at(count, (label, decided), 1)
    share = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    with mpl.rc_context(STYLE):
        size = 1.6 + 0.75 * classes
        figure = Figure(figsize=(size, size - 0.4), layout="constrained")
        axes = figure.subplots()
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for row in range(classes):
            for column in range(classes):
                colour = "white" if share[row, column] > 0.55 else INK
                axes.text(column, row, str(count[row, column]), ha="center", va="center", color=colour)
        axes.set_xticks(range(classes), names, rotation=30, ha="right")
        axes.set_yticks(range(classes), names)
        axes.set(xlabel="decided", ylabel="true")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return _svg(figure)


def timeline(time_s: np.ndarray, label: np.ndarray, decided: np.ndarray, names: Sequence[str]) -> str:
    """A decoded stretch: what was done and what was decided, window by window; wrong decisions in orange."""
    right = label == decided
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.9 + 0.32 * len(names)), layout="constrained")
        axes = figure.subplots()
        axes.scatter(time_s, label, marker="s", s=70, color=GRID, label="true")
        axes.scatter(time_s[right], decided[right], s=14, color=GOOD, label="decided")
        axes.scatter(time_s[~right], decided[~right], s=22, marker="x", color=BAD, label="decided, wrong")
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="s", ylim=(-0.6, len(names) - 0.4))
        axes.tick_params(length=0)
        figure.legend(frameon=False, ncols=3, loc="outside upper right", fontsize=9)
        return _svg(figure)


def scatter(wanted: np.ndarray, decoded: np.ndarray, names: Sequence[str]) -> str:
    """wanted, decoded float [windows, outputs] -> one panel per output: a point per window over the diagonal."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(min(3.2 * len(names), 16), 3.2), layout="constrained")
        for axes, name, true, found in zip(
            figure.subplots(1, len(names), squeeze=False)[0], names, wanted.T, decoded.T, strict=True
        ):
            ends = [min(true.min(), found.min()), max(true.max(), found.max())]
            axes.plot(ends, ends, color=GRID, linewidth=1.2)
            axes.scatter(true, found, s=5, color=GOOD, alpha=0.5, linewidth=0)
            axes.set(xlabel="true", ylabel="decoded", title=name)
            axes.tick_params(length=0)
        return _svg(figure)


def course(time_s: np.ndarray, wanted: np.ndarray, decoded: np.ndarray, names: Sequence[str]) -> str:
    """A decoded stretch, one strip per output: what was done in grey, what was decoded in blue."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.6 + 1.5 * len(names)), layout="constrained")
        strips = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
        for axes, name, true, found in zip(strips, names, wanted.T, decoded.T, strict=True):
            axes.plot(time_s, true, color=MUTED, alpha=0.45, linewidth=2.5, label="true")
            axes.plot(time_s, found, color=GOOD, linewidth=1.2, label="decoded")
            axes.set(ylabel=name)
            axes.tick_params(length=0)
        strips[-1].set(xlabel="s")
        strips[0].legend(frameon=False, ncols=2, loc="upper right", fontsize=9)
        return _svg(figure)


def _svg(figure: Figure) -> str:
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()
