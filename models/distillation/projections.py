"""Projections of a teacher's embedding onto fewer dimensions: random, principal components, discriminants.

P^T z of every one of them can be judged by TSR (models.distillation.tsr) and taught by TSKD (models.distillation.tskd).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.distillation.embedding_scale import principal_directions
from models.distillation.teaching import Teaching

SHRINKAGE = 0.1
"""Share of the mean variance on the diagonal of the within-class covariance that discriminants are found under."""


@dataclass(frozen=True)
class Projection:
    """matrix float64 [taught_dim, dim]; an embedding z projects to ``matrix^T (z - centre)``, centre float64 [taught_dim]."""

    matrix: Tensor
    centre: Tensor

    @property
    def dim(self) -> int:
        return self.matrix.shape[1]

    def __call__(self, embedding: Tensor) -> Tensor:
        """embedding [windows, taught_dim] -> float32 [windows, dim]."""
        return ((embedding.double() - self.centre) @ self.matrix).float()

    def of_unit_size(self, embedding: Tensor) -> "Projection":
        """The same directions, all columns by one factor: over the windows of `embedding` the variance of a projected dimension
        is 1 on the mean of those whose column is not 0, so that what is small in P^T z stays small."""
        found = (embedding.double() @ self.matrix).var(dim=0, correction=0)
        asked = max(1, int(self.matrix.any(dim=0).sum()))
        size = (found.sum() / asked).sqrt()
        return Projection(self.matrix / size if size > 0 else torch.zeros_like(self.matrix), self.centre)


def random_projection(teaching: Teaching, dim: int, seed: int) -> Projection:
    """`dim` orthonormal directions, drawn evenly among all; a basis and independent normal columns where dim > taught_dim."""
    draw = torch.Generator().manual_seed(seed)
    drawn = torch.randn(teaching.embed_dim, dim, generator=draw, dtype=torch.float64)
    square = torch.linalg.qr(drawn[:, : teaching.embed_dim])[0]
    rest = drawn[:, teaching.embed_dim :] / teaching.embed_dim**0.5
    return Projection(torch.cat([square, rest], dim=1), _centre(teaching))


def pca_projection(teaching: Teaching, dim: int) -> Projection:
    """The `dim` directions of most variance; zeros where the embedding has fewer, which ask nothing of a student."""
    directions = principal_directions(teaching.embedding)[1][:, :dim]
    return _filled(directions, dim, teaching)


def lda_projection(teaching: Teaching, label: Tensor, dim: int) -> Projection:
    """Fisher's discriminants of `label` int64 [windows], then the directions of most variance among what they leave.

    The discriminants are the eigenvectors of between-class against shrunk within-class covariance, classes - 1 at most.
    """
    z = teaching.embedding.double() - _centre(teaching)
    groups = [z[label == each] for each in torch.unique(label)]
    means = torch.stack([group.mean(dim=0) for group in groups])
    within = sum(
        ((group - mean).T @ (group - mean) for group, mean in zip(groups, means, strict=True)), torch.zeros(()).double()
    )
    within = within / len(z)
    eye = torch.eye(z.shape[1], dtype=torch.float64)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * (within.trace() / z.shape[1]).clamp_min(1e-12) * eye
    share = torch.tensor([len(group) / len(z) for group in groups], dtype=torch.float64)
    between = (means * share[:, None]).T @ means
    lower = torch.linalg.cholesky(within)
    inverse = torch.linalg.solve_triangular(lower, eye, upper=False)
    vectors = torch.linalg.eigh(inverse @ between @ inverse.T)[1].flip(1)
    found = (inverse.T @ vectors)[:, : min(dim, len(groups) - 1)]
    return _filled(_with_variance(found / found.norm(dim=0), teaching, dim), dim, teaching)


def target_projection(teaching: Teaching, target: Tensor, dim: int) -> Projection:
    """What discriminants are to classes, to values `target` [windows, outputs]: the directions of their least-squares readout,
    shrunk as the discriminants are, then those of most variance among what they leave."""
    z = teaching.embedding.double() - _centre(teaching)
    spread = z.T @ z / len(z)
    eye = torch.eye(z.shape[1], dtype=torch.float64)
    spread = (1 - SHRINKAGE) * spread + SHRINKAGE * (spread.trace() / z.shape[1]).clamp_min(1e-12) * eye
    wanted = target.double() - target.double().mean(dim=0)
    found = torch.linalg.svd(torch.linalg.solve(spread, z.T @ wanted / len(z)), full_matrices=False)[0][:, :dim]
    return _filled(_with_variance(found, teaching, dim), dim, teaching)


def _with_variance(found: Tensor, teaching: Teaching, dim: int) -> Tensor:
    """`found` [taught_dim, n] and the leading principal directions of what is orthogonal to them, `dim` columns at most."""
    basis = torch.linalg.qr(found)[0]
    left = teaching.embedding.double() - _centre(teaching)
    left = left - left @ basis @ basis.T
    more = max(0, min(dim, teaching.embed_dim) - found.shape[1])
    return torch.cat([found, principal_directions(left)[1][:, :more]], dim=1)


def _filled(directions: Tensor, dim: int, teaching: Teaching) -> Projection:
    missing = torch.zeros(teaching.embed_dim, max(0, dim - directions.shape[1]), dtype=torch.float64)
    return Projection(torch.cat([directions, missing], dim=1), _centre(teaching))


def _centre(teaching: Teaching) -> Tensor:
    return teaching.embedding.double().mean(dim=0)
