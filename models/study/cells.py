"""What the cells of a study's tables say, and which results they are about."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.measured_document import table
from models.study.comparing import LEVEL, Estimate, gain, holm, mean_of
from models.study.experiments import EXPERIMENTS
from models.study.results import Result
from models.study.variant import Variant

PLAIN, TSKD = str(Variant()), str(Variant(method="tskd"))


def of(results: Sequence[Result], variant: Variant | str) -> list[Result]:
    """Those of one variant."""
    return [result for result in results if result.variant == str(variant)]


def within(results: Sequence[Result], row: str | None = None, shots: int | None = None) -> list[Result]:
    """Those of one row, of one number of shots; None: of all."""
    return [result for result in results if row in (None, result.row) and shots in (None, result.shots)]


def rows(results: Sequence[Result]) -> list[str]:
    """Names, in their order."""
    return list(dict.fromkeys(result.row for result in results))


def shots(results: Sequence[Result]) -> list[int]:
    """Ascending."""
    return sorted({result.shots for result in results})


def names(results: Sequence[Result], experiment: str) -> list[str]:
    """Of the experiment's variants that are there, in its order."""
    there = {result.variant for result in results}
    return [str(variant) for variant in EXPERIMENTS[experiment]() if str(variant) in there]


def bounded(results: Sequence[Result]) -> list[Result]:
    """The same, values from counts by their correlation: R2 has no lower bound, and one stray output rules a mean of it."""
    return [replace(r, measure="correlation", value=r.every["correlation"]) if r.measure == "r2" else r for r in results]


def value(results: Sequence[Result]) -> str:
    """Mean over subjects ± its spread over seeds."""
    if not results:
        return "-"
    found = mean_of(results)
    return f"{found.mean:.3f}" + ("" if found.seeds == 1 else f" ± {found.spread:.3f}")


def sizes(results: Sequence[Result]) -> list[str]:
    """Parameters and multiply-adds, as a range over recordings where they differ."""
    columns = ({r.parameters for r in results}, {r.macs for r in results})
    return [_range(found) if found else "-" for found in columns]


def _range(found: set[int]) -> str:
    return f"{min(found):,}" + (f" to {max(found):,}" if len(found) > 1 else "")


def trials(results: Sequence[Result]) -> str:
    """Trials that calibrated, by shots: a trial whose decision would lie behind the next cue is lost."""
    return ", ".join(f"{_range({r.trials for r in within(results, shots=n)})} at {n} shots" for n in shots(results))


def points(found: Estimate | None, p: float | None = None) -> str:
    """Mean, interval, p and n; p: instead of the estimate's own, where it was adjusted, NaN: none is given."""
    if found is None:
        return "-"
    mean = f"{100 * found.mean:+.1f}"
    if math.isnan(found.low):
        return mean
    p = found.p if p is None else p
    told = "" if math.isnan(p) else f", p {p:.3f}"
    return f"{mean} ({100 * found.low:+.1f} to {100 * found.high:+.1f}){told}, n {found.subjects}"


def gains(results: Sequence[Result], chosen: Sequence[str]) -> list[str]:
    """Of each over no distillation; p after Holm over all of them, none where subjects are too few to bring it below 0.05."""
    found = [gain(of(results, name), of(results, PLAIN)) for name in chosen]
    adjusted = holm([math.nan if one is None else one.p for one in found])
    told = [one.least_p for one in found if one is not None and not math.isnan(one.p)]
    enough = bool(told) and len(told) * max(told) < 1 - LEVEL
    return [points(one, p if enough else math.nan) for one, p in zip(found, adjusted, strict=True)]


def by_shots(results: Sequence[Result]) -> dict[str, Sequence[Result]]:
    """Head of a column -> its results: all, then each number of shots."""
    return {"all": results} | {f"{n} shots": within(results, shots=n) for n in shots(results)}


def by_row(results: Sequence[Result]) -> dict[str, Sequence[Result]]:
    """Head of a column -> its results: each recording's."""
    return {row: within(results, row) for row in rows(results)}


def gain_table(columns: Mapping[str, Sequence[Result]], chosen: Sequence[str]) -> str:
    """A line per variant, its gain over no distillation in every column."""
    cells = zip(*(gains(here, chosen) for here in columns.values()), strict=True)
    return table(["method", *columns], [[name, *own] for name, own in zip(chosen, cells, strict=True)]) + "\n"


def pair_table(columns: Mapping[str, Sequence[Result]], pairs: Sequence[tuple[str, str]]) -> str:
    """A line per pair, the gain of one over the other in every column, p as it is."""
    lines = [
        [f"{one} over {other}", *(points(gain(of(here, one), of(here, other))) for here in columns.values())]
        for one, other in pairs
        if any(of(here, one) and of(here, other) for here in columns.values())
    ]
    return table(["", *columns], lines) + "\n"
