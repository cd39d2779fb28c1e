"""TSR against gain: does a projection that keeps more of what the teacher decides by teach more?"""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from models.measured_document import table
from models.study.cells import PLAIN, bounded, by_row, gain_table, of, pair_table, rows
from models.study.comparing import Estimate, Point, agreement, by_subject, place_of, rank_correlation
from models.study.experiments import EXPERIMENTS
from models.study.pictures import draw_tsr
from models.study.results import Result
from models.study.variant import Variant

HOW = (
    "## TSR against gain\n\nTSKD's second step on projections that keep much and little of what decides (principal components, "
    "discriminants, random directions, directions that do not decide, called least; ranks 1, 4 and 16), and on its own, all at "
    "weight 1. Spearman correlation of TSR with the gain over no distillation within each fold and seed, mean over subjects; "
    "among projections of one rank, since a rank is a strength of teaching of its own; with the fall of the test windows' "
    "log-loss, which is finer than the accuracy of few windows. Used: folds and seeds in which gains differ at all. Between "
    "seeds: the rank correlation of the same projections' gains under two seeds, which bounds what can be predicted.\n\n"
)


def projections_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Rank correlations, what each projection keeps and gains, and TSKD over what does not decide."""
    compared = bounded(results)
    won, fallen = _gained(compared, "value"), _gained(compared, "log_loss")
    lines = []
    for row in (None, *rows(compared)):
        here, finer = (_in(found, row) for found in (won, fallen))
        ranked = [rank_correlation(here), rank_correlation([(r, _rank(r), x, y) for r, _, x, y in here if _rank(r)])]
        used = f"{ranked[0].used} of {ranked[0].places}"
        drawn_once = [point for point in here if "random" not in point[0].variant]
        told = [_correlation(each.found) for each in (*ranked, rank_correlation(finer))]
        lines.append([row or "all", used, *told, _correlation(agreement(drawn_once))])
    text = HOW + table(["recording", "used", "Spearman", "within a rank", "with log-loss", "between seeds"], lines) + "\n"
    text += _by_projection(compared)
    picture = draw_tsr([(r.row, tsr, gained) for r, _, tsr, gained in won], path)
    return text + f"![gain against TSR]({picture.name})\n", [picture]


def _gained(results: Sequence[Result], measure: str) -> list[Point]:
    """(result, "", TSR, what it gains over no distillation): in its measure, or the fall of its log-loss."""
    sign = -1.0 if measure == "log_loss" else 1.0

    def read(result: Result) -> float:
        return result.value if measure == "value" else result.every.get(measure, math.nan)

    plain = {place_of(r): read(r) for r in of(results, PLAIN)}
    found = [
        (r, "", r.every["tsr"], sign * (read(r) - plain[place_of(r)]))
        for r in results
        if "tsr" in r.every and place_of(r) in plain
    ]
    return [point for point in found if not math.isnan(point[3])]


def _in(found: Sequence[Point], row: str | None) -> list[Point]:
    return [point for point in found if row in (None, point[0].row)]


def _by_projection(results: Sequence[Result]) -> str:
    """What every projection keeps and gains, and TSKD's own over those that do not decide, at one strength of teaching."""
    chosen = list(dict.fromkeys(str(variant) for variant in EXPERIMENTS["projections"]() if variant != Variant()))
    kept = [[name, _mean(results, name, "tsr"), _mean(results, name, "rank")] for name in chosen]
    text = "What a projection keeps (TSR), how many directions it asks for (effective rank of P^T z), means over subjects.\n\n"
    text += table(["projection", "TSR", "effective rank"], kept) + "\n"
    text += "Gain over no distillation.\n\n" + gain_table({"all": results, **by_row(results)}, chosen)
    own = str(Variant(method="tskd", weight=1.0))
    placebo = [(own, name) for name in chosen if name.split()[2].startswith(("least", "random"))]
    text += "**TSKD over projections that it should beat.** p as it is.\n\n"
    return text + pair_table({"all": results, **by_row(results)}, placebo)


def _mean(results: Sequence[Result], name: str, what: str) -> str:
    found = by_subject((r, r.every[what]) for r in of(results, name) if what in r.every)
    return f"{fmean(found.values()):.3f}" if found else "-"


def _rank(result: Result) -> str:
    """Of a named projection: pca:4 -> 4; else nothing."""
    return next((word.split(":")[1] for word in result.variant.split() if ":" in word), "")


def _correlation(found: Estimate | None) -> str:
    if found is None:
        return "-"
    between = "" if math.isnan(found.low) else f" ({found.low:+.2f} to {found.high:+.2f}), p {found.p:.3f}"
    return f"{found.mean:+.2f}{between}, n {found.subjects}"
