"""Methods x recordings x shots: values, gains over no distillation, TSKD beside rivals, offline sessions and few trials."""

import math
from collections.abc import Sequence
from pathlib import Path

from models.distillation.registry import METHODS
from models.measured_document import table
from models.study.cells import (
    PLAIN,
    TSKD,
    bounded,
    by_row,
    by_shots,
    gain_table,
    names,
    of,
    pair_table,
    points,
    rows,
    shots,
    sizes,
    trials,
    value,
    within,
)
from models.study.comparing import gain, holm, slope
from models.study.pictures import draw_gains
from models.study.results import Result
from models.study.variant import FINE_TUNED, OFFLINE_ONLY, POOLED, TEACHER, Variant

HOLM = (
    "**Gain over no distillation.** p after Holm over the methods of a column, left out where so few subjects could not "
    "bring it below 0.05.\n\n"
)
OFFLINE = (
    "**Where the student trains on the offline sessions too**, pooled with its calibration or before it, or on them alone "
    "(uncalibrated), as its teacher does. p as it is.\n\n"
)
FEW = (
    "**Few trials.** By how many points TSKD's gain over no distillation grows when the trials double, of subjects with two "
    "numbers of shots and more: below 0, few trials gain more.\n\n"
)


def methods_section(results: Sequence[Result], path: Path) -> tuple[str, list[Path]]:
    """Values as each recording is measured, then gains, in correlation where R2 would be ruled by single outputs."""
    chosen, compared = names(results, "methods"), bounded(results)
    rivals = [str(Variant(method=name)) for name in METHODS if str(Variant(method=name)) in chosen and name != "none"]
    text = _values(results, chosen)
    text += "TSKD over no distillation, all shots, p as it is: "
    text += f"{points(gain(of(compared, TSKD), of(compared, PLAIN)))}.\n\n"
    text += HOLM + gain_table(by_shots(compared), rivals)
    text += "The same by recording.\n\n" + gain_table(by_row(compared), rivals)
    text += _against_rivals(compared, rivals) + _with_offline_sessions(compared) + _readings(results)
    picture = draw_gains(compared, path)
    return text + f"![gain over no distillation by shots]({picture.name})\n", [picture]


def _values(results: Sequence[Result], chosen: Sequence[str]) -> str:
    text = "## Methods\n\nMean over subjects and seeds ± standard deviation over seeds of the mean over subjects.\n\n"
    for row in rows(results):
        here = within(results, row)
        counts = shots(here)
        lines = [[name, *sizes(of(here, name)), *(value(of(within(here, shots=n), name)) for n in counts)] for name in chosen]
        text += f"**{row}**, {here[0].measure}; calibrated by {trials(here)}\n\n"
        text += table(["method", "parameters", "MACs", *(f"{n} shots" for n in counts)], lines) + "\n"
    return text


def _against_rivals(results: Sequence[Result], rivals: Sequence[str]) -> str:
    """TSKD against every other method, and against the best of a column. What is TSKD with an addition is none."""
    others, columns = [name for name in rivals if not name.startswith(TSKD)], by_shots(results)
    p = holm([math.nan if one is None else one.p for one in (gain(of(results, TSKD), of(results, name)) for name in others)])
    lines = []
    for name, adjusted in zip(others, p, strict=True):
        found = [gain(of(here, TSKD), of(here, name)) for here in columns.values()]
        lines.append([name, points(found[0], adjusted), *map(points, found[1:])])
    lines.append(["the best of a column", *(_over_best(here, others) for here in columns.values())])
    text = "**TSKD over each rival.** p of the first column after Holm, others as it is; the best is chosen afterwards.\n\n"
    return text + table(["TSKD over", *columns], lines) + "\n"


def _over_best(results: Sequence[Result], others: Sequence[str]) -> str:
    """TSKD over whichever of `others` gains most over no distillation here, which favours it."""
    won = {name: found.mean for name in others if (found := gain(of(results, name), of(results, PLAIN)))}
    if not won:
        return "-"
    best = max(won, key=lambda name: won[name])
    return f"{best}: {points(gain(of(results, TSKD), of(results, best)))}"


def _with_offline_sessions(results: Sequence[Result]) -> str:
    """What the offline sessions themselves give, what is left for a teacher to give beside them, whether TSKD without them
    comes up to that, and whether the teacher is better than a student that learned what it learned."""
    return OFFLINE + pair_table(by_shots(results), _offline_pairs())


def _offline_pairs() -> list[tuple[str, str]]:
    found = []
    for where in (POOLED, FINE_TUNED):
        plain, taught = (str(Variant(method=name, trained_on=where)) for name in ("none", "tskd"))
        found += [(plain, PLAIN), (taught, plain), (TSKD, plain)]
    uncalibrated = str(Variant(trained_on=OFFLINE_ONLY))
    return [*found, (PLAIN, uncalibrated), (TSKD, uncalibrated), (str(Variant(student="", method=TEACHER)), uncalibrated)]


def _readings(results: Sequence[Result]) -> str:
    """The same pairs and the trend over shots in the measures of the recordings, and without what is measured in R2."""
    columns, text = {"as above": bounded(results)}, ""
    if any(result.measure == "r2" for result in results):
        columns["in R2 where it is the measure"] = list(results)
        columns["without what is measured in R2"] = [result for result in results if result.measure != "r2"]
        text = "**Other readings.** All shots, p as it is.\n\n" + pair_table(columns, [(TSKD, PLAIN), *_offline_pairs()])
    trend = [points(slope(of(here, TSKD), of(here, PLAIN))) for here in columns.values()]
    return text + FEW + table([*columns], [trend]) + "\n"
