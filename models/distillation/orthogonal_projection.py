"""The student's embedding, turned but never stretched, should be the teacher's: an orthogonal projection and nothing else."""

import torch
from torch import Tensor, nn

from models.distillation.embedding_scale import overall_deviation
from models.distillation.method import Method
from models.distillation.student import Student
from models.distillation.teaching import Teaching


class OrthogonalMap(nn.Module):
    """[batch, inputs] -> [batch, outputs] by a matrix with orthonormal columns (rows, where there are fewer outputs).

    The matrix is the Q of a learned matrix, its signs fixed by a positive diagonal of R: every point of the Stiefel manifold
    can be reached, and a gradient step stays on it.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.wide = outputs < inputs
        self.learned = nn.Parameter(torch.randn(max(inputs, outputs), min(inputs, outputs)) / max(inputs, outputs) ** 0.5)

    def matrix(self) -> Tensor:
        """[outputs, inputs]."""
        found, upper = torch.linalg.qr(self.learned)
        found = found * torch.where(upper.diagonal() < 0, -1.0, 1.0)
        return found.T if self.wide else found

    def forward(self, embedding: Tensor) -> Tensor:
        return embedding @ self.matrix().T


class OrthogonalProjection(Method):
    """``loss = task loss + weight * mean |Q h - (z - centre) / s|^2`` with Q^T Q = 1 and one scale s for all of z.

    h is the student's embedding, z the teacher's. The projection of V_kD (models.distillation.vkd) without its normalisation:
    directions in which the teacher varies little count little. Where the student is wider than the teacher Q Q^T = 1.
    Our reading: Q is parametrised by a QR decomposition (V_kD: a matrix exponential), which costs less for the same set. At the
    start 1 and the embedding's own share, |h|^2 / taught_dim; the mean is over the teacher's dimensions, so that a student of
    fewer is pulled by embed_dim / taught_dim of what TSKD pulls with, and cannot bring the term to 0.
    """

    name = "orthogonal_projection"
    weights = (0.3, 3.0)
    centre: Tensor
    normaliser: Tensor

    def __init__(self, student: Student, teaching: Teaching, *, regression: bool, weight: float | None = None):
        super().__init__(student, teaching, regression=regression, weight=weight)
        self.projection = OrthogonalMap(student.embed_dim, teaching.embed_dim)
        self.register_buffer("centre", teaching.embedding.mean(dim=0))
        self.register_buffer("normaliser", self.fitted_normaliser(teaching.embedding))

    def fitted_normaliser(self, embedding: Tensor) -> Tensor:
        """[taught_dim, taught_dim]: what the centred embedding is multiplied by before it is compared."""
        return torch.eye(embedding.shape[1]) / overall_deviation(embedding)

    def term(self, embedding: Tensor, outputs: Tensor, taught: Tensor) -> Tensor:
        return nn.functional.mse_loss(self.projection(embedding), (taught - self.centre) @ self.normaliser)
