"""Projections by name, for TSR against gain: pca:4 keeps 4 directions and fills the student's width with zeros."""

import torch

from models.distillation.embedding_scale import principal_directions
from models.distillation.projections import Projection, lda_projection, pca_projection, random_projection, target_projection
from models.distillation.teaching import Teaching
from models.distillation.tsr import deciding_weight


def named_projection(
    name: str, teaching: Teaching, label: torch.Tensor, dim: int, seed: int, *, regression: bool
) -> Projection:
    """name: pca, lda, random or least (what does not decide), its rank, and a number where several are drawn: random:4:1.

    label: int64 [windows], or of a regressor float [windows, outputs], whose "lda" is their least-squares readout."""
    kind, rank, *drawn = name.split(":")
    kept = min(int(rank), dim)
    if kind == "pca":
        found = pca_projection(teaching, kept)
    elif kind == "lda":
        found = (target_projection if regression else lda_projection)(teaching, label, kept)
    elif kind == "random":
        found = random_projection(teaching, kept, 1000 * seed + int(drawn[0] if drawn else 0))
    else:
        found = idle_projection(teaching, kept, regression=regression)
    empty = torch.zeros(teaching.embed_dim, dim - found.dim, dtype=torch.float64)
    return Projection(torch.cat([found.matrix, empty], dim=1), found.centre)


def idle_projection(teaching: Teaching, dim: int, *, regression: bool) -> Projection:
    """`dim` directions of most variance, or all, among those that do not go with the logits: TSR 0, up to rounding."""
    z = teaching.embedding.double()
    centred = z - z.mean(dim=0)
    told = centred.T @ (centred @ deciding_weight(teaching, regression=regression).T)
    basis = torch.linalg.qr(told)[0]
    left = centred - centred @ basis @ basis.T
    return Projection(principal_directions(left)[1][:, :dim], z.mean(dim=0))
