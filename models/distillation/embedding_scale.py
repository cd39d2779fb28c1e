"""A teacher's embedding as methods compare it: centred, and scaled so that a squared difference of 1 is a whole deviation.

Teachers differ in the size of their embeddings; with these scales a method's `weight` means the same whatever the teacher.
"""

import torch
from torch import Tensor

LEAST_SHARE = 1e-6
"""Directions with a smaller share of the largest variance hold nothing but rounding."""


def deviations(embedding: Tensor) -> Tensor:
    """embedding [windows, dim] -> standard deviation float32 [dim], 1 for what never changes."""
    found = embedding.double().std(dim=0, correction=0)
    return torch.where(found > LEAST_SHARE**0.5 * found.max(), found, 1.0).float()


def overall_deviation(embedding: Tensor) -> Tensor:
    """embedding [windows, dim] -> root of the mean variance of its dimensions, float32 scalar; 1 where nothing changes."""
    found = embedding.double().var(dim=0, correction=0).mean().sqrt()
    return (found if found > 0 else torch.ones_like(found)).float()


def principal_directions(embedding: Tensor) -> tuple[Tensor, Tensor]:
    """embedding [windows, dim] -> (variances float64 [dim], descending; directions [dim, dim], one per column)."""
    centred = embedding.double() - embedding.double().mean(dim=0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / max(len(centred), 1))
    return values.flip(0).clamp_min(0), vectors.flip(1)


def whitening(embedding: Tensor) -> Tensor:
    """embedding [windows, dim] -> symmetric [dim, dim], float32: what makes its centred covariance the identity, and leaves
    directions that the windows do not show at 0."""
    values, vectors = principal_directions(embedding)
    seen = values > LEAST_SHARE * values[0].clamp_min(1e-30)
    return ((vectors * torch.where(seen, values.clamp_min(1e-30) ** -0.5, 0.0)) @ vectors.T).float()
