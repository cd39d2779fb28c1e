"""Means, spreads and paired comparisons of a study's results.

The unit is the subject: all of one person's recordings, whose folds share a teacher and shots the trials, so they are averaged
first, folds by their test windows, then shots, then seeds. Two variants are compared on what both have.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np
from scipy.stats import linregress, sem, spearmanr, t, wilcoxon

from models.study.results import Result

Place = tuple[str, str, int, int]
"""Row, fold, shots, seed: where each variant has one result."""
Point = tuple[Result, Hashable, float, float]
"""A result, the group in which it is ranked, x and y."""
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
    """A mean over subjects, with Student's 95 % interval, and the two-sided p of Wilcoxon's signed ranks against 0; NaN where
    there are fewer than FEWEST."""

    mean: float
    low: float
    high: float
    p: float
    subjects: int

    @property
    def least_p(self) -> float:
        """What p would be if all subjects agreed."""
        return 2.0 ** (1 - self.subjects)


@dataclass(frozen=True)
class Ranked:
    """A rank correlation; used: of the `places` with three points and more, those in which both x and y change."""

    found: Estimate | None
    used: int
    places: int


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
    return estimate([*by_subject(_pairs(results, others)).values()])


def estimate(values: Sequence[float]) -> Estimate | None:
    """Of one value per subject; None of none."""
    if not values:
        return None
    found = np.sort(np.array(values))
    if len(found) < FEWEST:
        return Estimate(float(found.mean()), math.nan, math.nan, math.nan, len(found))
    half = float(sem(found) * t.ppf((1 + LEVEL) / 2, len(found) - 1))
    low, high = found.mean() - half, found.mean() + half
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


def rank_correlation(points: Sequence[Point]) -> Ranked:
    """Spearman's correlation of x and y within each place and group, then one mean per subject. Groups of fewer than three
    points, or in which x or y never change, tell nothing."""
    ranks, places = [], 0
    for members in _together(points).values():
        x, y = np.array([member[2:] for member in members]).T
        places += len(members) > 2
        if (rank := _spearman(x, y)) is not None:
            ranks.append((members[0][0], rank))
    return Ranked(estimate([*by_subject(ranks).values()]), len(ranks), places)


def agreement(points: Sequence[Point]) -> Estimate | None:
    """How alike the same variants' y are ranked under two seeds: Spearman's correlation over every pair of seeds of a fold and
    number of shots, then one mean per subject. None of one seed."""
    seeds: dict[tuple[str, str, int], dict[int, dict[str, tuple[Result, float]]]] = {}
    for result, _, _, y in points:
        fold = seeds.setdefault((result.row, result.source, result.shots), {})
        fold.setdefault(result.seed, {})[result.variant] = (result, y)
    alike: list[tuple[Result, float]] = []
    for fold in seeds.values():
        ranks = []
        for one, other in combinations(fold.values(), 2):
            both = sorted(one.keys() & other.keys())
            first, second = (np.array([each[name][1] for name in both]) for each in (one, other))
            if (rank := _spearman(first, second)) is not None:
                ranks.append(rank)
        if ranks:
            alike.append((next(iter(next(iter(fold.values())).values()))[0], fmean(ranks)))
    return estimate([*by_subject(alike).values()])


def slope(results: Sequence[Result], others: Sequence[Result]) -> Estimate | None:
    """By how much the gain of one variant over another grows when the shots double: a least-squares line per subject that has
    two numbers of shots and more; None where none has."""
    shots = sorted({result.shots for result in results})
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for count in shots:
        for subject, won in by_subject(_pairs([r for r in results if r.shots == count], others)).items():
            found[subject].append((math.log2(count), won))
    return estimate([float(linregress(*zip(*points, strict=True)).slope) for points in found.values() if len(points) > 1])


def _spearman(x: np.ndarray, y: np.ndarray) -> float | None:
    """None of fewer than three points, or where x or y never change."""
    return float(spearmanr(x, y).statistic) if len(x) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0 else None


def _pairs(results: Iterable[Result], others: Iterable[Result]) -> list[tuple[Result, float]]:
    theirs = {place_of(other): other.value for other in others}
    return [(result, result.value - theirs[place_of(result)]) for result in results if place_of(result) in theirs]


def _together(points: Sequence[Point]) -> dict[tuple[Place, Hashable], list[Point]]:
    found: dict[tuple[Place, Hashable], list[Point]] = defaultdict(list)
    for point in points:
        found[place_of(point[0]), point[1]].append(point)
    return found
