"""Means, spreads and paired comparisons of a study's results.

The unit is the fold: seeds are averaged within it first, since seeds of one fold share all its trials. Two variants are
compared on the folds that both have.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr, wilcoxon

from models.study.results import Result

Fold = tuple[str, str, int]
"""Row, source, shots."""
RESAMPLINGS = 4000
LEVEL = 0.95


@dataclass(frozen=True)
class Mean:
    """mean over folds; spread: standard deviation over seeds of that mean, NaN for one seed."""

    mean: float
    spread: float
    folds: int
    seeds: int


@dataclass(frozen=True)
class Gain:
    """Of one variant over another, on the same folds: mean, its 95 % interval by resampling folds, and the two-sided p of
    Wilcoxon's signed ranks, 1 where too few folds differ."""

    mean: float
    low: float
    high: float
    p: float
    folds: int


def mean_of(results: Sequence[Result]) -> Mean:
    """Of results of one variant."""
    by_seed: dict[int, list[float]] = defaultdict(list)
    for result in results:
        by_seed[result.seed].append(result.value)
    of_seed = [float(np.mean(values)) for values in by_seed.values()]
    spread = float(np.std(of_seed, ddof=1)) if len(of_seed) > 1 else float("nan")
    return Mean(float(np.mean(of_seed)), spread, len({fold_of(result) for result in results}), len(by_seed))


def fold_of(result: Result) -> Fold:
    return (result.row, result.source, result.shots)


def complete(results: Sequence[Result]) -> list[Result]:
    """Those of folds and seeds for which every variant of `results` is there, so that means of a study on its way compare."""
    names = {result.variant for result in results}
    there: dict[tuple[Fold, int], set[str]] = defaultdict(set)
    for result in results:
        there[fold_of(result), result.seed].add(result.variant)
    return [result for result in results if there[fold_of(result), result.seed] == names]


def by_fold(results: Iterable[Result]) -> dict[Fold, dict[int, float]]:
    """Fold -> seed -> value."""
    found: dict[Fold, dict[int, float]] = defaultdict(dict)
    for result in results:
        found[fold_of(result)][result.seed] = result.value
    return found


def differences(results: Iterable[Result], others: Iterable[Result]) -> list[float]:
    """One per fold: the mean difference over the seeds that both have."""
    ours, theirs = by_fold(results), by_fold(others)
    found = []
    for fold in ours.keys() & theirs.keys():
        seeds = ours[fold].keys() & theirs[fold].keys()
        found += [float(np.mean([ours[fold][seed] - theirs[fold][seed] for seed in seeds]))] if seeds else []
    return sorted(found)


def gain(results: Iterable[Result], others: Iterable[Result]) -> Gain | None:
    """None where they have no fold in common."""
    found = np.array(differences(results, others))
    if len(found) == 0:
        return None
    low, high = _interval(found)
    p = float(wilcoxon(found).pvalue) if np.count_nonzero(found) > 1 else 1.0
    return Gain(float(found.mean()), low, high, p, len(found))


def _interval(values: np.ndarray) -> tuple[float, float]:
    draw = np.random.default_rng(0)
    means = draw.choice(values, (RESAMPLINGS, len(values))).mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjustment of the p of several comparisons, in their order."""
    order, adjusted, largest = np.argsort(p), [0.0] * len(p), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = largest
    return adjusted


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation, mean over folds, with its 95 % interval by resampling folds."""

    mean: float
    low: float
    high: float
    folds: int


def rank_correlation(pairs: Sequence[tuple[Fold, float, float]]) -> Correlation | None:
    """(fold, x, y) of several variants per fold; folds where x or y never changes tell nothing. None where none tells."""
    found: dict[Fold, list[tuple[float, float]]] = defaultdict(list)
    for fold, x, y in pairs:
        found[fold].append((x, y))
    ranks = []
    for points in found.values():
        x, y = np.array(points).T
        if len(points) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0:
            ranks.append(float(spearmanr(x, y).statistic))
    if not ranks:
        return None
    low, high = _interval(np.array(ranks))
    return Correlation(float(np.mean(ranks)), low, high, len(ranks))
