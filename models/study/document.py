"""A study's results as docs/distillation.md: tables with mean, spread and paired gains, the pictures beside it.

Text above the mark of a document that is there already stays as it is: words are people's, numbers the study's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from models.distillation.registry import METHODS
from models.measured_document import table, write_below
from models.study.comparing import Estimate, complete, estimate, gain, holm, mean_of, place_of, rank_correlation
from models.study.experiments import EXPERIMENTS, WEIGHTS
from models.study.pictures import draw_gains, draw_tsr
from models.study.plan import Plan
from models.study.results import Result
from models.study.variant import FINE_TUNED, POOLED, Variant

DOCUMENT = Path("docs/distillation.md")
MARK = "<!-- below: written by python -m models.study -->"
PLAIN, TSKD = str(Variant()), str(Variant(method="tskd"))
HOW = (
    "Gains are in points, hundredths of the measure, on the same folds and seeds: mean over subjects, and from six subjects on "
    "its 95 % interval by resampling them, which no number of comparisons widens, and the p of Wilcoxon's signed ranks, 2/2^n "
    "at least. Tasks of one person are one subject.\n\n"
)


def write_document(results: Sequence[Result], asked: int, plan: Plan, path: Path) -> list[Path]:
    """The document and its pictures; every file whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    there = f"{len(results)} of {asked} results of the plan are there"
    partly = "" if len(results) == asked else "; tables show the folds and seeds for which every line has one"
    sections, pictures = [f"{there}{partly}. {HOW}"], list[Path]()
    rows = {row.name: row for row in plan.rows}
    for part in plan.parts:
        names = {str(variant) for variant in EXPERIMENTS[part.name]()}
        asked_of = {name: part.shots(rows[name]) for name in part.rows}
        own = [r for r in results if r.variant in names and r.shots in asked_of.get(r.row, ()) and r.seed < part.seeds]
        if own := complete(own):
            text, drawn = _SECTIONS[part.name](own, path)
            sections.append(text)
            pictures += drawn
    write_below(MARK, "\n".join(sections), path, title="Distillation")
    return [path, *pictures]


def _of(results: Sequence[Result], variant: Variant | str) -> list[Result]:
    return [result for result in results if result.variant == str(variant)]


def _in(results: Sequence[Result], row: str | None = None, shots: int | None = None) -> list[Result]:
    return [result for result in results if row in (None, result.row) and shots in (None, result.shots)]


def _value(results: Sequence[Result]) -> str:
    if not results:
        return "-"
    found = mean_of(results)
    return f"{found.mean:.3f}" + ("" if found.seeds == 1 else f" ± {found.spread:.3f}")


def _points(found: Estimate | None, p: float | None = None) -> str:
    """p: instead of the estimate's own, where it was adjusted."""
    if found is None:
        return "-"
    if math.isnan(found.low):
        return f"{100 * found.mean:+.1f}"
    p = found.p if p is None else p
    return f"{100 * found.mean:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f}), p {p:.3f}, n {found.subjects}"


def _names(results: Sequence[Result], experiment: str) -> list[str]:
    there = {result.variant for result in results}
    return [str(variant) for variant in EXPERIMENTS[experiment]() if str(variant) in there]


def _rows(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(result.row for result in results))


def _shots(results: Sequence[Result]) -> list[int]:
    return sorted({result.shots for result in results})


def _sizes(results: Sequence[Result]) -> list[str]:
    """Parameters and multiply-adds, as a range over recordings where they differ."""
    columns = ({r.parameters for r in results}, {r.macs for r in results})
    return [f"{min(found):,}" + (f" to {max(found):,}" if len(found) > 1 else "") if found else "-" for found in columns]


def methods_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Methods x shots for every recording, then the gains over no distillation, by shots and by recording."""
    names = _names(results, "methods")
    text = "## Methods\n\nMean over subjects and seeds ± standard deviation over seeds of the mean over subjects.\n\n"
    for row in _rows(results):
        here = _in(results, row)
        lines = [
            [name, *_sizes(_of(here, name)), *(_value(_of(_in(here, shots=n), name)) for n in _shots(here))] for name in names
        ]
        text += f"**{row}**, {here[0].measure}\n\n"
        text += table(["method", "parameters", "MACs", *(f"{n} shots" for n in _shots(here))], lines) + "\n"
    rivals = [str(Variant(method=name)) for name in METHODS if str(Variant(method=name)) in names and name != "none"]
    text += "The question asked beforehand, TSKD over no distillation, all shots, p as it is: "
    text += f"{_points(gain(_of(results, TSKD), _of(results, PLAIN)))}.\n\n"
    text += "**Gain over no distillation.** p after Holm over the methods of a column.\n\n"
    text += _gain_table(_by_shots(results), rivals)
    by_row = {row: _in(results, row) for row in _rows(results)}
    text += "The same by recording.\n\n" + _gain_table(by_row, rivals)
    text += _against_rivals(results, rivals) + _with_offline_sessions(results) + _beside_r2(results) + _trend(results)
    picture = draw_gains(results, path)
    return text + f"![gain over no distillation by shots]({picture.name})\n", [picture]


def _by_shots(results: Sequence[Result]) -> dict[str, Sequence[Result]]:
    """Head of a column -> its results: all, then each number of shots."""
    return {"all": results} | {f"{n} shots": _in(results, shots=n) for n in _shots(results)}


def _gain_table(columns: Mapping[str, Sequence[Result]], names: Sequence[str]) -> str:
    """A line per method, its gain over no distillation in every column."""
    cells = zip(*(_gains(here, names) for here in columns.values()), strict=True)
    return table(["method", *columns], [[name, *own] for name, own in zip(names, cells, strict=True)]) + "\n"


def _gains(results: Sequence[Result], names: Sequence[str]) -> list[str]:
    found = [gain(_of(results, name), _of(results, PLAIN)) for name in names]
    p = holm([math.nan if one is None else one.p for one in found])
    return [_points(one, value) for one, value in zip(found, p, strict=True)]


def _against_rivals(results: Sequence[Result], rivals: Sequence[str]) -> str:
    """TSKD against every other method, and against the best of a column. What is TSKD with an addition is none."""
    others, columns = [name for name in rivals if not name.startswith(TSKD)], _by_shots(results)
    p = holm([math.nan if one is None else one.p for one in (gain(_of(results, TSKD), _of(results, name)) for name in others)])
    lines = []
    for name, adjusted in zip(others, p, strict=True):
        found = [gain(_of(here, TSKD), _of(here, name)) for here in columns.values()]
        lines.append([name, _points(found[0], adjusted), *map(_points, found[1:])])
    lines.append(["the best of a column", *(_over_best(here, others) for here in columns.values())])
    text = "**TSKD over each rival.** p of the first column after Holm, others as it is; the best is chosen afterwards.\n\n"
    return text + table(["TSKD over", *columns], lines) + "\n"


def _over_best(results: Sequence[Result], others: Sequence[str]) -> str:
    """TSKD over whichever of `others` gains most over no distillation here, which favours it."""
    won = {name: found.mean for name in others if (found := gain(_of(results, name), _of(results, PLAIN)))}
    if not won:
        return "-"
    best = max(won, key=lambda name: won[name])
    return f"{best}: {_points(gain(_of(results, TSKD), _of(results, best)))}"


def _with_offline_sessions(results: Sequence[Result]) -> str:
    """What the offline sessions themselves give, what is left for a teacher to give beside them, and whether TSKD without them
    comes up to that."""
    pairs = [pair for where in (POOLED, FINE_TUNED) for pair in _pairs(where)]
    text = "**Where the student trains on the offline sessions too**, pooled with its calibration or before it. p as it is.\n\n"
    return text + _pair_table(_by_shots(results), pairs)


def _beside_r2(results: Sequence[Result]) -> str:
    """The same where one stray output, which R2 counts as WORST, cannot rule a mean; nothing where nothing is in R2."""
    if all(result.measure != "r2" for result in results):
        return ""
    readings = {
        "as measured": results,
        "correlation instead of R2": [replace(r, value=r.every.get("correlation", r.value)) for r in results],
        "without what is measured in R2": [result for result in results if result.measure != "r2"],
    }
    pairs = [(TSKD, PLAIN), *(pair for where in (POOLED, FINE_TUNED) for pair in _pairs(where))]
    return "**Apart from stray outputs.** All shots, p as it is.\n\n" + _pair_table(readings, pairs)


def _pairs(where: str) -> tuple[tuple[str, str], ...]:
    """What is compared where the student trains on the offline sessions as `where` says."""
    plain, taught = (str(Variant(method=name, trained_on=where)) for name in ("none", "tskd"))
    return (plain, PLAIN), (taught, plain), (TSKD, plain)


def _pair_table(columns: Mapping[str, Sequence[Result]], pairs: Sequence[tuple[str, str]]) -> str:
    """A line per pair, the gain of one over the other in every column."""
    lines = [
        [f"{one} over {other}", *(_points(gain(_of(here, one), _of(here, other))) for here in columns.values())]
        for one, other in pairs
    ]
    return table(["", *columns], lines) + "\n"


def _trend(results: Sequence[Result]) -> str:
    """Whether TSKD gains more where trials are fewer: on subjects that have all numbers of shots."""
    few, many = min(_shots(results)), max(_shots(results))
    apart = []
    for subject in sorted({result.subject for result in results}):
        own = [result for result in results if result.subject == subject]
        less, more = (gain(_of(_in(own, shots=n), TSKD), _of(own, PLAIN)) for n in (few, many))
        apart += [less.mean - more.mean] if less and more else []
    if few == many or not apart:
        return ""
    return f"TSKD's gain at {few} shots less that at {many}, where a subject has both: {_points(estimate(apart))} points.\n\n"


def parts_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Every student with and without TSKD, and what both cost."""
    lines = []
    for name in dict.fromkeys(variant.student for variant in EXPERIMENTS["parts"]()):
        none, taught = (_of(results, Variant(student=name, method=method)) for method in ("none", "tskd"))
        if none:
            own = [_value(_in(none, row)) for row in _rows(results)]
            lines.append([name, *_sizes(none), *own, _points(gain(none, _of(results, PLAIN))), _points(gain(taught, none))])
    head = ["student", "parameters", "MACs", *_rows(results), "over ind", "gain by TSKD"]
    text = "## Network and distillation apart\n\nEvery student alone, and what TSKD adds to it; - where it does not fit.\n\n"
    return text + table(head, lines), []


def projections_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Spearman correlation of TSR with the gain, over all projections of a fold and among those of one rank."""
    plain = {place_of(r): r.value for r in _of(results, PLAIN)}
    points = [(r, r.every["tsr"], r.value - plain[place_of(r)]) for r in results if "tsr" in r.every and place_of(r) in plain]
    lines = []
    for row in (None, *_rows(results)):
        here = [point for point in points if row in (None, point[0].row)]
        overall = rank_correlation([(r, "", tsr, won) for r, tsr, won in here])
        within = rank_correlation([(r, _rank(r), tsr, won) for r, tsr, won in here if _rank(r)])
        lines.append([row or "all", str(len(here)), _correlation(overall), _correlation(within)])
    text = (
        "## TSR against gain\n\nTSKD's second step on projections that keep much and little of what decides (principal "
        "components, discriminants, random directions, directions that do not decide; ranks 1, 4 and 16), and on its own. "
        "Spearman correlation of TSR with the gain over no distillation within each fold and seed, mean over subjects; among "
        "projections of one rank, since a rank is a strength of teaching of its own.\n\n"
    )
    text += table(["recording", "points", "Spearman", "within a rank"], lines) + "\n"
    picture = draw_tsr([(r.row, tsr, won) for r, tsr, won in points], path)
    return text + f"![gain against TSR]({picture.name})\n", [picture]


def _rank(result: Result) -> str:
    """Of a named projection: pca:4 -> 4; else nothing."""
    return next((word.split(":")[1] for word in result.variant.split() if ":" in word), "")


def _correlation(found: Estimate | None) -> str:
    if found is None:
        return "-"
    between = "" if math.isnan(found.low) else f" ({found.low:+.2f} to {found.high:+.2f}), p {found.p:.3f}"
    return f"{found.mean:+.2f}{between}, n {found.subjects}"


def teachers_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Gain over no distillation under every teacher."""
    names, plain = _names(results, "teachers"), _of(results, PLAIN)
    lines = [[name, _value(_of(results, name)), _points(gain(_of(results, name), plain))] for name in names]
    text = "## Poor teachers\n\nT: temperature of the teacher's logits, flipped: share of wrong labels it learned from.\n\n"
    return text + table(["student's method and teacher", "mean", "over none"], lines), []


def integers_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Integers against float, with and without the teacher in the loss; the last column is the mean of the recordings'."""
    lines = []
    for method in ("none", "tskd"):
        exact = _of(results, Variant(method=method))
        for width in ("", "w8a8", "w4a4"):
            own = _of(results, Variant(method=method, integers=width))
            by_row = [gain(_in(own, row), exact) for row in _rows(results)]
            lost = estimate([one.mean for one in by_row if one]) if width else None
            values = [_value(_in(own, row)) for row in _rows(results)]
            lines.append([method, width or "float", *values, _points(lost), _points(gain(own, exact)) if width else "-"])
    head = ["method", "numbers", *_rows(results), "against float, mean of recordings", "of subjects"]
    text = "## In integers\n\nThe golden model's decisions; under TSKD the teacher stays in the loss of quantization.\n\n"
    return text + table(head, lines), []


def weights_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Mean of every method at every weight of its term, by recording; what is best over a column's kind is for the reader to
    choose."""
    text = "## Weights\n\nOf the term that a method adds to the task loss.\n\n"
    variants = EXPERIMENTS["weights"]()
    for row in _rows(results):
        here = _in(results, row)
        lines = [
            [name, *(_value(_of(here, Variant(method=name, weight=weight))) for weight in WEIGHTS)]
            for name in dict.fromkeys(variant.method for variant in variants if variant.weight is not None)
        ]
        text += f"**{row}**, {here[0].measure}; none: {_value(_of(here, PLAIN))}\n\n"
        text += table(["method", *(f"{weight:g}" for weight in WEIGHTS)], lines) + "\n"
    return text, []


_SECTIONS: dict[str, Callable[[Sequence[Result], Path], tuple[str, list[Path]]]] = {
    "methods": methods_section,
    "parts": parts_section,
    "projections": projections_section,
    "teachers": teachers_section,
    "integers": integers_section,
    "weights": weights_section,
}
