"""A study's results as docs/distillation.md: tables with mean, spread and paired gains, the pictures beside it.

Text above the mark of a document that is there already stays as it is: words are people's, numbers the study's.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from models.study.pictures import draw_gains, draw_tsr
from models.study.plan import Plan
from models.study.results import Result
from models.study.statistics import Gain, complete, fold_of, gain, holm, mean_of, rank_correlation
from models.study.variant import EXPERIMENTS, TEACHER, Variant

DOCUMENT = Path("docs/distillation.md")
MARK = "<!-- below: written by python -m models.study -->"
Table = list[list[str]]


def write_document(results: Sequence[Result], asked: int, plan: Plan, path: Path) -> list[Path]:
    """The document and its pictures; every file whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    above = path.read_text(encoding="utf-8").partition(MARK)[0] if path.is_file() else "# Distillation\n\n"
    there = f"{len(results)} of {asked} results of the plan are there"
    partly = "" if len(results) == asked else "; tables show the folds and seeds for which every line has one"
    sections = [f"{there}{partly}.\n"]
    pictures: list[Path] = []
    for part in plan.parts:
        own = [result for result in results if result.row in part.rows and _in(result, part.name)]
        own = [result for result in own if result.shots in (part.shots or (result.shots,)) and result.seed < part.seeds]
        own = complete(own)
        if not own:
            continue
        text, drawn = _SECTIONS[part.name](own, path)
        sections.append(text)
        pictures += drawn
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(f"{above}{MARK}\n\n" + "\n".join(sections), encoding="utf-8")
    partial.replace(path)
    return [path, *pictures]


def _in(result: Result, experiment: str) -> bool:
    return result.variant in {str(variant) for variant in EXPERIMENTS[experiment]()}


def table(head: Sequence[str], rows: Table) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _of(results: Sequence[Result], variant: Variant | str) -> list[Result]:
    return [result for result in results if result.variant == str(variant)]


def _value(results: Sequence[Result]) -> str:
    if not results:
        return ""
    found = mean_of(results)
    return f"{found.mean:.3f}" + ("" if found.seeds == 1 else f" ± {found.spread:.3f}")


def _gain(found: Gain | None, p: float | None = None) -> str:
    if found is None:
        return ""
    stars = "" if p is None else f", p {p:.3f}"
    return f"{100 * found.mean:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f}{stars})"


def _names(results: Sequence[Result], experiment: str) -> list[str]:
    there = {result.variant for result in results}
    return [str(variant) for variant in EXPERIMENTS[experiment]() if str(variant) in there]


def _rows(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(result.row for result in results))


def _shots(results: Sequence[Result]) -> list[int]:
    return sorted({result.shots for result in results})


def methods_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Methods x shots for every recording, then the gains over no distillation over all recordings."""
    names, plain = _names(results, "methods"), str(Variant())
    text = "## Methods\n\nMean over folds and seeds ± standard deviation over seeds of the mean over folds.\n\n"
    for row in _rows(results):
        here = [result for result in results if result.row == row]
        shots = _shots(here)
        rows = [[name, *(_value([r for r in _of(here, name) if r.shots == n]) for n in shots)] for name in names]
        text += f"**{row}**, {here[0].measure}\n\n" + table(["method", *(f"{n} shots" for n in shots)], rows) + "\n"
    text += (
        "**Gain over no distillation**, in points (hundredths of the measure), over all folds of all recordings: mean, 95 % "
        "interval by resampling folds, Wilcoxon's p after Holm over the methods of a column.\n\n"
    )
    rivals = [name for name in names if name not in (plain, str(Variant(student="", method=TEACHER)))]
    columns = []
    for n in (None, *_shots(results)):
        here = [result for result in results if n in (None, result.shots)]
        found = [gain(_of(here, name), _of(here, plain)) for name in rivals]
        p = holm([one.p if one else 1.0 for one in found])
        columns.append([_gain(one, value) for one, value in zip(found, p, strict=True)])
    head = ["method", "all shots", *(f"{n} shots" for n in _shots(results))]
    text += table(head, [[name, *cells] for name, *cells in zip(rivals, *columns, strict=True)]) + "\n"
    text += _against_best_rival(results, [name for name in rivals if name in _distilling()])
    picture = draw_gains(results, path)
    return text + f"![gain over no distillation by shots]({picture.name})\n", [picture]


def _distilling() -> set[str]:
    return {str(variant) for variant in EXPERIMENTS["methods"]() if variant.method not in ("none", TEACHER)}


def _against_best_rival(results: Sequence[Result], rivals: Sequence[str]) -> str:
    """TSKD against the method that is best on the mean of each shot count: the rival is chosen after the fact, which favours
    it. What is TSKD with an addition is no rival."""
    rows, tskd = [], str(Variant(method="tskd"))
    for n in _shots(results):
        here = [result for result in results if result.shots == n]
        others = [name for name in rivals if not name.startswith(tskd) and _of(here, name)]
        if not others or not _of(here, tskd):
            continue
        best = max(others, key=lambda name: mean_of(_of(here, name)).mean)
        found = gain(_of(here, tskd), _of(here, best))
        rows.append(
            [str(n), _gain(gain(_of(here, tskd), _of(here, str(Variant())))), best, _gain(found, found.p if found else 1)]
        )
    head = ["shots", "TSKD over none", "best rival", "TSKD over it"]
    return "**TSKD** over no distillation and over the best rival, in points.\n\n" + table(head, rows) + "\n"


def parts_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Every student with and without TSKD, and what both cost."""
    rows = []
    students = list(dict.fromkeys(variant.student for variant in EXPERIMENTS["parts"]()))
    for name in students:
        none, taught = (_of(results, Variant(student=name, method=method)) for method in ("none", "tskd"))
        if not none:
            continue
        sizes = [f"{min(values):,} to {max(values):,}" for values in ([r.parameters for r in none], [r.macs for r in none])]
        by_row = [_value([r for r in none if r.row == row]) for row in _rows(results)]
        rows.append([name, *sizes, *by_row, _gain(gain(none, _of(results, Variant()))), _gain(gain(taught, none))])
    head = ["student", "parameters", "MACs", *_rows(results), "over ind, points", "gain by TSKD, points"]
    text = "## Network and distillation apart\n\nEvery student alone, and what TSKD adds to it.\n\n"
    return text + table(head, rows), []


def projections_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Spearman correlation of TSR with the gain, within folds."""
    plain = {(fold_of(r), r.seed): r.value for r in _of(results, Variant())}
    points = [
        (r, r.every["tsr"], r.value - plain[fold_of(r), r.seed])
        for r in results
        if "tsr" in r.every and (fold_of(r), r.seed) in plain
    ]
    rows = []
    for row in (None, *_rows(results)):
        here = [((f"{r.row} {r.seed}", r.source, r.shots), tsr, won) for r, tsr, won in points if row in (None, r.row)]
        found = rank_correlation(here)
        if found:
            rows.append(
                [row or "all", str(len(here)), str(found.folds), f"{found.mean:+.2f} ({found.low:+.2f} to {found.high:+.2f})"]
            )
    text = (
        "## TSR against gain\n\nTSKD's second step on projections of known TSR (principal components, discriminants, random "
        "directions, and directions that do not decide, of ranks 1 to 32). Spearman correlation of TSR with the gain over no "
        "distillation within each fold and seed, its mean and 95 % interval over them.\n\n"
    )
    text += table(["recording", "points", "folds x seeds", "Spearman"], rows) + "\n"
    picture = draw_tsr([(r.row, tsr, won) for r, tsr, won in points], path)
    return text + f"![gain against TSR]({picture.name})\n", [picture]


def teachers_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Gain over no distillation under every teacher."""
    names, plain = _names(results, "teachers"), _of(results, Variant())
    rows = [[name, _value(_of(results, name)), _gain(gain(_of(results, name), plain))] for name in names]
    text = "## Poor teachers\n\nT: temperature of the teacher's logits, flipped: share of wrong labels it learned from.\n\n"
    return text + table(["student's method and teacher", "mean", "over none, points"], rows), []


def integers_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Integers against float, with and without the teacher in the loss."""
    rows = []
    for method in ("none", "tskd"):
        exact = _of(results, Variant(method=method))
        for width in ("", "w8a8", "w4a4"):
            own = _of(results, Variant(method=method, integers=width))
            lost = _gain(gain(own, exact)) if width else ""
            by_row = [_value([r for r in own if r.row == row]) for row in _rows(results)]
            rows.append([method, width or "float", *by_row, _value(own), lost])
    text = "## In integers\n\nThe golden model's decisions; under TSKD the teacher stays in the loss of quantization.\n\n"
    return text + table(["method", "numbers", *_rows(results), "mean", "against float, points"], rows), []


_SECTIONS: dict[str, Callable[[Sequence[Result], Path], tuple[str, list[Path]]]] = {
    "methods": methods_section,
    "parts": parts_section,
    "projections": projections_section,
    "teachers": teachers_section,
    "integers": integers_section,
}
