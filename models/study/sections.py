"""The shorter sections of a study's document: methods at one weight, students, poor teachers, integers, weights searched."""

from collections.abc import Sequence
from pathlib import Path

from models.measured_document import table
from models.study.cells import (
    PLAIN,
    bounded,
    by_row,
    by_shots,
    gain_table,
    names,
    of,
    pair_table,
    points,
    rows,
    sizes,
    value,
    within,
)
from models.study.comparing import estimate, gain
from models.study.experiments import EXPERIMENTS, WEIGHTS
from models.study.results import Result
from models.study.variant import Variant


def felt_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Gains over no distillation with every method's term at weight 1."""
    text = "## Methods at weight 1\n\nGain over no distillation, p after Holm. Where classes are decided most methods' own "
    text += "weights are smaller and nearly let the student be.\n\n"
    chosen = [name for name in names(results, "felt") if name != PLAIN]
    return text + gain_table(by_shots(bounded(results)), chosen), []


def parts_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Every student with and without teacher, and what both cost."""
    compared = bounded(results)
    students = list(dict.fromkeys(variant.student for variant in EXPERIMENTS["parts"]()))
    lines, by = [], ("tskd", "kd")
    for name in students:
        none = Variant(student=name)
        if of(results, none):
            own = [value(within(of(results, none), row)) for row in rows(results)]
            gained = [gain(of(compared, Variant(student=name, method=method)), of(compared, none)) for method in by]
            lines.append([name, *sizes(of(results, none)), *own, *map(points, gained)])
    head = ["student", "parameters", "MACs", *rows(results), *(f"gain by {method}" for method in by)]
    text = (
        "## Network and distillation apart\n\nEvery student alone, and what a teacher adds to it; - where it does not fit.\n\n"
    )
    text += table(head, lines) + "\n**The IND over every student**, both without a teacher. p as it is.\n\n"
    pairs = [(PLAIN, str(Variant(student=name))) for name in students if name != "ind"]
    return text + pair_table({"all": compared, **by_row(compared)}, pairs), []


def teachers_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Gain over no distillation under every teacher."""
    chosen, plain = names(results, "teachers"), of(results, PLAIN)
    lines = [[name, value(of(results, name)), points(gain(of(results, name), plain))] for name in chosen]
    text = "## Poor teachers\n\nT: temperature of the teacher's logits, flipped: share of wrong labels it learned from.\n\n"
    return text + table(["student's method and teacher", "mean", "over none"], lines), []


def integers_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Integers against float, with and without the teacher in the loss; the last column but one is the mean of the
    recordings'."""
    compared, lines = bounded(results), []
    for method in ("none", "tskd"):
        exact = of(compared, Variant(method=method))
        for width in [each.integers for each in EXPERIMENTS["integers"]() if each.method == method]:
            variant = Variant(method=method, integers=width)
            by_recording = [gain(within(of(compared, variant), row), exact) for row in rows(results)]
            lost = estimate([one.mean for one in by_recording if one]) if width else None
            values = [value(within(of(results, variant), row)) for row in rows(results)]
            of_subjects = gain(of(compared, variant), exact) if width else None
            lines.append([method, width or "float", *values, points(lost), points(of_subjects)])
    head = ["method", "numbers", *rows(results), "against float, mean of recordings", "of subjects"]
    text = (
        "## In integers\n\nThe golden model's decisions. Under TSKD the teacher stays in the loss of quantization, where KD's "
    )
    text += "term stands beside the alignment, unless it is unheard there.\n\n"
    return text + table(head, lines), []


def weights_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Mean of every method at every weight of its term, by recording; what is best over a column's kind is for the reader to
    choose."""
    text = "## Weights\n\nOf the term that a method adds to the task loss.\n\n"
    variants = EXPERIMENTS["weights"]()
    for row in rows(results):
        here = within(results, row)
        lines = [
            [name, *(value(of(here, Variant(method=name, weight=weight))) for weight in WEIGHTS)]
            for name in dict.fromkeys(variant.method for variant in variants if variant.weight is not None)
        ]
        text += f"**{row}**, {here[0].measure}; none: {value(of(here, PLAIN))}\n\n"
        text += table(["method", *(f"{weight:g}" for weight in WEIGHTS)], lines) + "\n"
    return text, []
