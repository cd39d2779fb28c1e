"""The task-specific ratio: how much of what the teacher decides by survives a projection of its embedding.

``TSR(P) = 1 - tr(W (S - S P (P^T S P)^+ P^T S) W^T) / tr(W S W^T)`` for embeddings z of covariance S and the readout W: the
share of the variance of the logits W z that the best linear readout of P^T z explains. 1: everything is kept, 0: nothing. The
name is BrainDistill's (Xie et al., arXiv 2601.17625), whose formula is not known to us: this definition is ours. It does not
change when P^T z is given another basis, and never falls when P gets another column.
"""

import torch
from torch import Tensor

from models.distillation.projections import Projection
from models.distillation.teaching import Teaching

LEAST_SINGULAR = 1e-10
"""Of the largest singular value of S^(1/2) P: what is smaller is rounding."""


def covariance(embedding: Tensor) -> Tensor:
    """embedding [windows, dim] -> float64 [dim, dim]."""
    centred = embedding.double() - embedding.double().mean(dim=0)
    return centred.T @ centred / max(len(centred), 1)


def tsr(matrix: Tensor, weight: Tensor, spread: Tensor) -> float:
    """matrix P [dim, projected], weight W [outputs, dim], spread S [dim, dim] -> 0 to 1; 1 where the logits never change.

    A classifier's logits count up to what is common to all of them, which decides nothing: pass `deciding(weight)`.
    """
    values, vectors = torch.linalg.eigh(spread.double())
    root = vectors * values.clamp_min(0).sqrt()
    logits = root.T @ weight.double().T
    total = float(logits.square().sum())
    if total == 0.0:
        return 1.0
    seen = root.T @ _unit_columns(matrix.double())
    left, size, _ = torch.linalg.svd(seen, full_matrices=False)
    kept = left[:, size > LEAST_SINGULAR * size.max().clamp_min(1e-300)]
    return min(1.0, max(0.0, float((kept.T @ logits).square().sum()) / total))


def tsr_of(projection: Projection, teaching: Teaching, *, regression: bool) -> float:
    """TSR of `projection` over the windows of `teaching`."""
    return tsr(projection.matrix, deciding_weight(teaching, regression=regression), covariance(teaching.embedding))


def effective_rank(projected: Tensor) -> float:
    """projected P^T z [windows, dim] -> (sum of variances)^2 / sum of their squares along principal axes: 1 where all of it is
    one direction, `dim` where all directions are alike; 0 where nothing changes."""
    values = torch.linalg.eigvalsh(covariance(projected)).clamp_min(0)
    total = float(values.sum())
    return total * total / float(values.square().sum()) if total > 0 else 0.0


def deciding_weight(teaching: Teaching, *, regression: bool) -> Tensor:
    """What of the teacher's readout decides, float64 [outputs, dim]: all of a regressor's, `deciding` of a classifier's."""
    return teaching.weight.double() if regression else deciding(teaching.weight)


def deciding(weight: Tensor) -> Tensor:
    """A classifier's readout [outputs, dim] without what it adds to all logits alike, float64."""
    return weight.double() - weight.double().mean(dim=0)


def _unit_columns(matrix: Tensor) -> Tensor:
    """Columns of length 1, where they are not 0: how long a column is says nothing of what it keeps."""
    length = matrix.norm(dim=0)
    return matrix / torch.where(length > 0, length, 1.0)
