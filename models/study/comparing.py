"""Means, spreads and paired comparisons of a study's results.

The unit is the subject: all of one person's recordings, whose folds share a teacher and shots the trials, so they are averaged
first, folds by their test windows, then shots, then seeds. Two variants are compared on what both have.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy.stats import spearmanr, wilcoxon

from models.study.results import Result

Place = tuple[str, str, int, int]
"""Row, fold, shots, seed: where each variant has one result."""
RESAMPLINGS = 4000
LEVEL = 0.95
FEWEST = 6
"""Subjects below which no interval and no p are given: fewer cannot show a p of 0.05."""


@dataclass(frozen=True)
class Mean:
    """mean over subjects; spread: standard deviation over seeds of that mean, NaN for one seed."""

    mean: float
    spread: float
    subjects: int
    seeds: int


@dataclass(frozen=True)
class Estimate:
    """A mean over subjects, with its 95 % interval by resampling them, and the two-sided p of Wilcoxon's signed ranks against
    0; NaN where there are fewer than FEWEST."""

    mean: float
    low: float
    high: float
    p: float
    subjects: int


def place_of(result: Result) -> Place:
    return (result.row, result.source, result.shots, result.seed)


def mean_of(results: Sequence[Result]) -> Mean:
    """Of results of one variant."""
    seeds = sorted({result.seed for result in results})
    of_seed = [float(np.mean([*by_subject((r, r.value) for r in results if r.seed == seed).values()])) for seed in seeds]
    spread = float(np.std(of_seed, ddof=1)) if len(seeds) > 1 else math.nan
    return Mean(float(np.mean(of_seed)), spread, len({result.subject for result in results}), len(seeds))


def by_subject(values: Iterable[tuple[Result, float]]) -> dict[str, float]:
    """Values of results -> one per subject: mean over seeds of the mean over shots of the mean over test windows."""
    found: dict[str, dict[int, dict[int, list[tuple[float, int]]]]] = {}
    for result, value in values:
        shots = found.setdefault(result.subject, {}).setdefault(result.seed, {})
        shots.setdefault(result.shots, []).append((value, result.test_windows))
    return {
        subject: fmean(fmean(map(_over_windows, shots.values())) for shots in seeds.values())
        for subject, seeds in found.items()
    }


def _over_windows(folds: Sequence[tuple[float, int]]) -> float:
    values, windows = zip(*folds, strict=True)
    return float(np.average(values, weights=windows))


def complete(results: Sequence[Result]) -> list[Result]:
    """Those of places at which every variant of the row is there, so that means of a study on its way compare."""
    names: dict[str, set[str]] = defaultdict(set)
    there: dict[Place, set[str]] = defaultdict(set)
    for result in results:
        names[result.row].add(result.variant)
        there[place_of(result)].add(result.variant)
    return [result for result in results if there[place_of(result)] == names[result.row]]


def gain(results: Iterable[Result], others: Iterable[Result]) -> Estimate | None:
    """Of one variant over another; None where they have nothing in common."""
    theirs = {place_of(other): other.value for other in others}
    pairs = [(result, result.value - theirs[place_of(result)]) for result in results if place_of(result) in theirs]
    return estimate([*by_subject(pairs).values()])


def estimate(values: Sequence[float]) -> Estimate | None:
    """Of one value per subject; None of none."""
    if not values:
        return None
    found = np.sort(np.array(values))
    if len(found) < FEWEST:
        return Estimate(float(found.mean()), math.nan, math.nan, math.nan, len(found))
    means = np.random.default_rng(0).choice(found, (RESAMPLINGS, len(found))).mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    p = float(wilcoxon(found).pvalue) if np.count_nonzero(found) > 1 else 1.0
    return Estimate(float(found.mean()), float(low), float(high), p, len(found))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjustment of the p of several comparisons, in their order; NaN stays, and does not count."""
    order = [place for place in np.argsort(p) if not math.isnan(p[place])]
    adjusted, largest = list(p), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p[place]))
        adjusted[place] = largest
    return adjusted


def rank_correlation(points: Sequence[tuple[Result, Hashable, float, float]]) -> Estimate | None:
    """(result, group, x, y): Spearman's correlation within each place and group, then one mean per subject. Groups of fewer
    than three points, or in which x or y never change, tell nothing."""
    found: dict[tuple[Place, Hashable], list[tuple[Result, float, float]]] = defaultdict(list)
    for result, group, x, y in points:
        found[place_of(result), group].append((result, x, y))
    ranks = []
    for members in found.values():
        x, y = np.array([member[1:] for member in members]).T
        if len(members) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0:
            ranks.append((members[0][0], float(spearmanr(x, y).statistic)))
    return estimate([*by_subject(ranks).values()])
